local header=require"tun.packet.header" header.space("ip").names={}
header.space"version" header.space"ip" header.space "ethertype"
require"tun.packet.ethernet" require"tun.packet.ip4" require"tun.packet.udp"
local packet=require"tun.packet.packet"
local function hex(s) return (s:gsub("%x%x",function(x) return string.char(tonumber(x,16)) end)) end
local raw=hex"ffffffffffff0200000000010800" ..hex"4500001e00010000401166cb7f0000017f000001"..hex"0035003500 0a0000":gsub(" ","").."hi"
local k=packet.parse(raw)
print(k.error and k.error.message, k.eth.src, k.ip4.src, k.ip4.ttl, k.ip4.df, k.udp.dport, k.payload, #k:layers(), k.vlan)
k.ip4.ttl=63 k.ip4.src="10.0.0.1" k.udp.sport=5353 k.eth.dst="02:00:00:00:00:09" k.ip4.df=true k.ip4.offset=77
print(k.ip4.ttl,k.ip4.src,k.ip4.src_n,k.udp.sport,k.eth.dst, k.ip4.df, k.ip4.offset)
print(pcall(function() k.ip4.ttl=256 end)) print(pcall(function() return k.ip4.tttl end)) print(pcall(function() k.ip4.src="300.1.1.1" end)) print(pcall(function() return k.foo end))
