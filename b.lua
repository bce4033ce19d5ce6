local header=require"tun.packet.header" header.space("ip").names={}
require"tun.packet.ethernet" require"tun.packet.ip4" require"tun.packet.udp"
header.declare("tcp",{{"sport",16},{"dport",16},{"seq",32},{"ack",32},{"doff",4},{"res",4},{"flags",8},{"window",16},{"checksum",16},{"urg",16},level="transport",size="doff*4",sum="TRANSPORT",follows={ip=6}})
header.declare("icmp",{{"type",8},{"code",8},{"checksum",16},{"rest",32},level="transport",sum="TRANSPORT",follows={ip=1}})
header.declare("ip6",{{"version",4},{"tc",8},{"flow",20},{"length",16},{"next",8},{"hlim",8},{"src",128,codec="ip6",pseudo="TRANSPORT"},{"dst",128,codec="ip6",pseudo="TRANSPORT"},level="net",extent="length+40",next={"ip","next"},follows={ethertype=0x86dd}})
local packet=require"tun.packet.packet"
local bytes=require"tun.packet.bytes" local core=require"tun.core"
local N=1000
local arena=core.arena(80*N) local p=bytes.pointer(arena)
math.randomseed(1)
local char=string.char
for i=0,N-1 do
  local r=math.random(3)
  local proto=r==1 and 6 or r==2 and 17 or 1
  local l4=char(math.random(255),1,0,53,0,20,0,0,0,0,0,0,0x50)..("\0"):rep(7)
  local s
  if math.random(4)==1 then s=("\1"):rep(12).."\x86\xdd\x60\0\0\0\0\x14"..char(r==1 and 6 or 17,64)..("\2"):rep(32)..l4
  else s=("\1"):rep(12).."\8\0\x45\0\0\40\0\0\0\0\64"..char(proto).."\0\0\1\2\3\4\5\6\7\8"..l4 end
  arena:write(i*80,s)
end
local k=packet.new(arena,p)
local eth=header.protocols.eth
local function work(packet)
  local s=0
  local ip=packet.ip4
  if ip then s=s+ip.ttl+ip.length+ip.src_n%7 else local ip6=packet.ip6 if ip6 then s=s+ip6.hlim end end
  local udp,tcp=packet.udp,packet.tcp
  if udp then s=s+udp.dport elseif tcp then s=s+tcp.dport+tcp.sport elseif packet.icmp then s=s+packet.icmp.type end
  return s
end
local M= jit and 2000 or 100
for r=1,5 do
  local t=os.clock() local s=0
  for j=1,M do for i=0,N-1 do packet.read(k,i*80,i*80+74,eth) s=s+work(k) end end
  print((os.clock()-t)/(M*N)*1e9, collectgarbage"count", s)
end
for r=1,3 do
  local t=os.clock()
  for j=1,M do for i=0,N-1 do packet.read(k,i*80,i*80+74,eth) local ip=k.ip4 if ip then ip.src_n=j*1000+i local u=k.udp if u then u.sport=i end end end end
  print("nat",(os.clock()-t)/(M*N)*1e9, collectgarbage"count")
end
