-- bpf.lua: eBPF programs for the specs that steer and filter. A program can be loaded only
-- by root, outside of user namespaces, and here only with LuaJIT, for the system call.
-- Source: bpf(2); linux/bpf.h for BPF_PROG_LOAD and the instructions
local bpf = {}

local number = jit and ({ x64 = 321, arm64 = 280 })[jit.arch]

--- Load a socket filter.
-- @param code  list of { code, registers, offset, value }
-- @return descriptor | nil
function bpf.load(code)
  if not number then
    return nil
  end
  local ffi = require "ffi"
  ffi.cdef "long syscall(long number, ...);"
  local instructions = ffi.new(
    "struct { uint8_t code, registers; int16_t offset; int32_t value; }[?]", #code, code)
  local license = ffi.new("char[4]", "MIT")
  local attributes = ffi.new("struct { uint32_t type, count; uint64_t code, license, rest[12]; }",
    { 1, #code, ffi.cast("uintptr_t", instructions), ffi.cast("uintptr_t", license) })
  local fd = tonumber(ffi.C.syscall(number, ffi.cast("int", 5), attributes,
    ffi.cast("int", ffi.sizeof(attributes))))
  return fd >= 0 and fd or nil
end

--- Load a program that returns a number.
function bpf.constant(result)
  return bpf.load { { 0xb7, 0, 0, result }, { 0x95 } }
end

--- Load a program that returns the byte at an offset of the packet: r6 = the packet,
-- r0 = its byte.
function bpf.byte(offset)
  return bpf.load { { 0xbf, 0x16 }, { 0x30, 0, 0, offset }, { 0x95 } }
end

return bpf
