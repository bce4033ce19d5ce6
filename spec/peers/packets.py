"""packets.py: random packets of all protocols, built by scapy from a seed."""
import random

from scapy.compat import raw
from scapy.contrib.erspan import ERSPAN_II
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.igmp import IGMP
from scapy.contrib.mpls import MPLS
from scapy.layers import inet6
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptElapsedTime, DHCP6OptPref
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRMX, DNSRRSOA, DNSRRSRV
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP
from scapy.layers.isakmp import ISAKMP
from scapy.layers.ntp import NTPHeader
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import NoPayload, Raw

class Random(random.Random):
    """Values of fields, from one seed."""

    def u(self, width):
        edge = self.random()
        return (0 if edge < 0.05 else (1 << width) - 1 if edge < 0.1
                else self.getrandbits(width))

    def flip(self, chance=0.5):
        return self.random() < chance

    def data(self, most=64, unit=1):
        return self.randbytes(self.randint(0, most // unit) * unit)

    def mac(self):
        return ":".join("%02x" % byte for byte in self.randbytes(6))

    def ip4(self):
        return ".".join(str(self.randint(1, 223) if i == 0 else self.u(8)) for i in range(4))

    def ip6(self):
        groups = [self.choice([0, self.u(16)]) for _ in range(7)]
        return ":".join("%x" % group for group in [self.choice([0xfd00, 0xfe80, 0x2001])] + groups)

    # No port that a dissector knows: what follows is data.
    def port(self):
        return self.randint(49152, 65535)

    def name(self):
        letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
        labels = ["".join(self.choice(letters) for _ in range(self.randint(1, 12)))
                  for _ in range(self.randint(1, 4))]
        return ".".join(labels) + "."


def ip4_options(r):
    options = [
        lambda: IPOption(b"\x01"),
        lambda: IPOption(b"\x94\x04\0\0"),                                  # router alert
        lambda: IPOption(b"\x07\x0b\x04" + r.randbytes(8)),                 # record route
        lambda: IPOption(b"\x44\x0c\x0d\x01" + r.randbytes(8)),             # timestamp
        lambda: IPOption(bytes([r.choice([0x1e, 0x9e]), 6]) + r.randbytes(4)),   # experimental
    ]
    return [r.choice(options)() for _ in range(r.choice([0, 0, 0, 0, 1, 2, 3]))]


def ip4(r, **fields):
    return IP(tos=r.u(8), id=r.u(16), flags=r.choice([0, 0, "DF"]), ttl=r.u(8), src=r.ip4(),
              dst=r.ip4(), options=ip4_options(r), **fields)


def extensions(r, packet):
    """Extension headers, in the order of RFC 8200."""
    options = [
        lambda: inet6.RouterAlert(value=r.u(16)),
        lambda: inet6.Jumbo(jumboplen=r.u(32)),
        lambda: inet6.HBHOptUnknown(otype=0x1e, optdata=r.data(12)),
        lambda: inet6.PadN(optdata=bytes(r.randint(0, 4))),
        lambda: inet6.Pad1(),
    ]
    tlvs = lambda first: [r.choice(options[first:])() for _ in range(r.randint(0, 3))]
    if r.flip(0.2):
        packet /= inet6.IPv6ExtHdrHopByHop(options=[o for o in tlvs(0)
                                                    if not isinstance(o, inet6.Jumbo)])
    if r.flip(0.15):
        packet /= inet6.IPv6ExtHdrDestOpt(options=tlvs(2))
    if r.flip(0.15):
        packet /= inet6.IPv6ExtHdrRouting(type=2, segleft=0, addresses=[r.ip6()])
    if r.flip(0.15):
        packet /= inet6.IPv6ExtHdrFragment(offset=0, m=0, id=r.u(32))
    if r.flip(0.1):
        packet /= inet6.IPv6ExtHdrDestOpt(options=tlvs(2))
    return packet


def ip6(r, chain=True, **fields):
    packet = IPv6(tc=r.u(8), fl=r.u(20), hlim=r.u(8), src=r.ip6(), dst=r.ip6(), **fields)
    return extensions(r, packet) if chain else packet


def net(r, chain=True):
    return ip4(r) if r.flip() else ip6(r, chain)


def tcp_options(r):
    options = [
        lambda: ("NOP", None),
        lambda: ("MSS", r.u(16)),
        lambda: ("WScale", r.u(8)),
        lambda: ("SAckOK", b""),
        lambda: ("SAck", tuple(r.u(32) for _ in range(2 * r.randint(1, 2)))),
        lambda: ("Timestamp", (r.u(32), r.u(32))),
    ]
    return [option() for option in r.sample(options, r.randint(0, 3))]


def tcp(r):
    return TCP(sport=r.port(), dport=r.port(), seq=r.u(32), ack=r.u(32), flags=r.u(8),
               window=r.u(16), urgptr=r.u(16), reserved=0,
               options=tcp_options(r)) / Raw(r.data())


def udp(r):
    return UDP(sport=r.port(), dport=r.port()) / Raw(r.data())


def quoted(r, header):
    return header / (udp(r) if r.flip() else tcp(r))


def icmp(r):
    echo = {"id": r.u(16), "seq": r.u(16)}
    return r.choice([
        lambda: ICMP(type=r.choice([0, 8]), **echo) / Raw(r.data()),
        lambda: ICMP(type=r.choice([13, 14]), ts_ori=r.u(32), ts_rx=r.u(32), ts_tx=r.u(32), **echo),
        lambda: ICMP(type=3, code=r.choice([0, 1, 2, 3, 13])) / quoted(r, ip4(r)),
        lambda: ICMP(type=3, code=4, nexthopmtu=r.u(16)) / quoted(r, ip4(r)),
        lambda: ICMP(type=5, code=r.randint(0, 3), gw=r.ip4()) / quoted(r, ip4(r)),
        lambda: ICMP(type=11, code=r.randint(0, 1)) / quoted(r, ip4(r)),
        lambda: ICMP(type=12, code=0, ptr=r.u(8)) / quoted(r, ip4(r)),
    ])()


def nd_options(r):
    options = [
        lambda: inet6.ICMPv6NDOptSrcLLAddr(lladdr=r.mac()),
        lambda: inet6.ICMPv6NDOptDstLLAddr(lladdr=r.mac()),
        lambda: inet6.ICMPv6NDOptMTU(mtu=r.u(32)),
        lambda: inet6.ICMPv6NDOptPrefixInfo(prefixlen=r.randint(0, 128), L=r.u(1), A=r.u(1),
                                            R=0, validlifetime=r.u(32),
                                            preferredlifetime=r.u(32), prefix=r.ip6()),
        lambda: inet6.ICMPv6NDOptRDNSS(lifetime=r.u(32),
                                       dns=[r.ip6() for _ in range(r.randint(1, 2))]),
    ]
    packet = NoPayload()
    for _ in range(r.randint(0, 3)):
        option = r.choice(options)()
        packet = packet / option if not isinstance(packet, NoPayload) else option
    return packet


def mld2_record(r):
    return inet6.ICMPv6MLDMultAddrRec(rtype=r.randint(1, 6), dst="ff02::1:%x" % r.u(16),
                                      sources=[r.ip6() for _ in range(r.randint(0, 2))])


def joined(header, options):
    return header if isinstance(options, NoPayload) else header / options


def icmp6(r):
    error = lambda: quoted(r, ip6(r, False))
    return r.choice([
        lambda: r.choice([inet6.ICMPv6EchoRequest, inet6.ICMPv6EchoReply])(
            id=r.u(16), seq=r.u(16), data=r.data()),
        lambda: inet6.ICMPv6DestUnreach(code=r.randint(0, 6)) / error(),
        lambda: inet6.ICMPv6PacketTooBig(mtu=r.u(32)) / error(),
        lambda: inet6.ICMPv6TimeExceeded(code=r.randint(0, 1)) / error(),
        lambda: inet6.ICMPv6ParamProblem(code=r.randint(0, 2), ptr=r.u(32)) / error(),
    ])()


def nd(r):
    return r.choice([
        lambda: joined(inet6.ICMPv6ND_RS(), nd_options(r)),
        lambda: joined(inet6.ICMPv6ND_RA(chlim=r.u(8), M=r.u(1), O=r.u(1), routerlifetime=r.u(16),
                                         prf=r.choice([0, 1, 3]), reachabletime=r.u(32),
                                         retranstimer=r.u(32)), nd_options(r)),
        lambda: joined(inet6.ICMPv6ND_NS(tgt=r.ip6()), nd_options(r)),
        lambda: joined(inet6.ICMPv6ND_NA(tgt=r.ip6(), R=r.u(1), S=r.u(1), O=r.u(1)), nd_options(r)),
        lambda: joined(inet6.ICMPv6ND_Redirect(tgt=r.ip6(), dst=r.ip6()), nd_options(r)),
    ])()


def mld(r):
    group = "ff02::%x:%x" % (r.u(16), r.u(16))
    return r.choice([
        lambda: inet6.ICMPv6MLQuery(mrd=r.u(16), mladdr=group),
        lambda: inet6.ICMPv6MLReport(mladdr=group),
        lambda: inet6.ICMPv6MLDone(mladdr=group),
        lambda: inet6.ICMPv6MLQuery2(mrd=r.u(16), mladdr=group, S=r.u(1), QRV=r.u(3), QQIC=r.u(8),
                                     sources=[r.ip6() for _ in range(r.randint(1, 3))]),
        lambda: inet6.ICMPv6MLReport2(records=[mld2_record(r) for _ in range(r.randint(1, 3))]),
    ])()


def dns_record(r):
    common = {"rrname": r.name(), "ttl": r.u(31)}
    return r.choice([
        lambda: DNSRR(type="A", rdata=r.ip4(), **common),
        lambda: DNSRR(type="AAAA", rdata=r.ip6(), **common),
        lambda: DNSRR(type=r.choice(["CNAME", "NS", "PTR"]), rdata=r.name(), **common),
        lambda: DNSRR(type="TXT", rdata=[r.name().encode() for _ in range(r.randint(1, 2))], **common),
        lambda: DNSRRMX(type="MX", preference=r.u(16), exchange=r.name(), **common),
        lambda: DNSRRSRV(type="SRV", priority=r.u(16), weight=r.u(16), port=r.u(16), target=r.name(), **common),
        lambda: DNSRRSOA(mname=r.name(), rname=r.name(), serial=r.u(32), refresh=r.u(31),
                         retry=r.u(31), expire=r.u(31), minimum=r.u(31), **common),
    ])()


def chain(items):
    first = None
    for item in items:
        first = first / item if first is not None else item
    return first


def dns(r):
    question = DNSQR(qname=r.name(), qtype=r.choice(["A", "AAAA", "TXT", "MX", "PTR"]))
    flags = {name: r.u(1) for name in ("aa", "tc", "rd", "ra", "ad", "cd")}
    if r.flip():
        message = DNS(id=r.u(16), qr=0, qd=question, **flags)
    else:
        message = DNS(id=r.u(16), qr=1, rcode=r.choice([0, 0, 3]), qd=question,
                      an=chain(dns_record(r) for _ in range(r.randint(0, 3))),
                      ns=chain(dns_record(r) for _ in range(r.randint(0, 1))), **flags)
    ports = (r.port(), 53)
    sport, dport = ports if message.qr == 0 else ports[::-1]
    return UDP(sport=sport, dport=dport) / message


def dhcp(r):
    options = [("message-type", r.randint(1, 8))]
    options += r.sample([
        ("requested_addr", r.ip4()),
        ("server_id", r.ip4()),
        ("subnet_mask", "255.255.%d.0" % r.u(8)),
        ("router", r.ip4(), r.ip4()),
        ("name_server", r.ip4()),
        ("lease_time", r.u(32)),
        ("hostname", r.name()[:-1]),
        ("param_req_list", [1, 3, 6, 15, r.randint(1, 254)]),
    ], r.randint(0, 5))
    reply = r.flip()
    return (UDP(sport=67 if reply else 68, dport=68 if reply else 67)
            / BOOTP(op=2 if reply else 1, xid=r.u(32), secs=r.u(16), flags=r.choice([0, 0x8000]),
                    ciaddr=r.ip4(), yiaddr=r.ip4(), siaddr=r.ip4(), giaddr=r.ip4(), hops=r.u(8),
                    chaddr=r.randbytes(6) + bytes(10))
            / DHCP(options=options + ["end"]))


def ah(r, packet):
    behind = udp(r)
    # scapy computes the checksum only right behind IP.
    bare = type(packet)(src=packet.src, dst=packet.dst) / behind
    octets = raw(bare)[20 if isinstance(packet, IP) else 40:]
    return packet / AH(spi=r.u(32), seq=r.u(32), icv=r.randbytes(12), payloadlen=4,
                       nh=17) / Raw(octets)


def esp(r, packet):
    return packet / ESP(spi=r.u(32), seq=r.u(32), data=r.data())


def gre(r):
    with_sum, key, seq = r.flip(0.3), r.flip(0.3), r.flip(0.3)
    header = GRE(chksum_present=with_sum, key_present=key, seqnum_present=seq)
    if key:
        header.key = r.u(32)
    if seq:
        header.sequence_number = r.u(32)
    inner = Ether(src=r.mac(), dst=r.mac()) / transport(r) if r.flip(0.3) else transport(r)
    if isinstance(inner, Ether):
        header.proto = 0x6558
    return net(r) / header / inner


def vxlan(r):
    return (net(r) / UDP(sport=r.port(), dport=4789) / VXLAN(flags=8, vni=r.u(24))
            / Ether(src=r.mac(), dst=r.mac()) / transport(r))


def geneve(r):
    options = [GeneveOptions(classid=r.u(16), type=r.u(8), data=r.data(16, 4))
               for _ in range(r.randint(0, 2))]
    return (net(r) / UDP(sport=r.port(), dport=6081)
            / GENEVE(vni=r.u(24), proto=0x6558, options=options)
            / Ether(src=r.mac(), dst=r.mac()) / transport(r))


def mpls(r):
    front = MPLS(label=r.randint(16, 1 << 20) - 1, cos=r.u(3), s=0, ttl=r.u(8))
    last = MPLS(label=r.randint(16, 1 << 20) - 1, cos=r.u(3), s=1, ttl=r.u(8))
    return (front / last if r.flip() else last) / transport(r)


def sctp(r):
    chunks = chain(SCTPChunkData(tsn=r.u(32), stream_id=r.u(16), stream_seq=r.u(16),
                                 proto_id=r.u(32), beginning=1, ending=1, data=r.data(40))
                   for _ in range(r.randint(1, 3)))
    return net(r) / SCTP(sport=r.port(), dport=r.port(), tag=r.u(32)) / chunks


def transport(r):
    """An IP packet with something simple in it."""
    return r.choice([
        lambda: net(r) / tcp(r),
        lambda: net(r) / udp(r),
        lambda: ip4(r) / icmp(r),
        lambda: ip6(r) / icmp6(r),
    ])()


KINDS = {
    "arp": lambda r: ARP(op=r.randint(1, 4), hwsrc=r.mac(), hwdst=r.mac(), psrc=r.ip4(),
                         pdst=r.ip4()),
    "tcp": lambda r: net(r) / tcp(r),
    "udp": lambda r: net(r) / udp(r),
    "icmp": lambda r: ip4(r) / icmp(r),
    "icmp6": lambda r: ip6(r) / icmp6(r),
    "nd": lambda r: ip6(r, False) / nd(r),
    "mld": lambda r: ip6(r, False) / inet6.IPv6ExtHdrHopByHop(
        options=[inet6.RouterAlert(value=0)]) / mld(r),
    "dns": lambda r: net(r) / dns(r),
    "dhcp": lambda r: ip4(r) / dhcp(r),
    "ah": lambda r: ah(r, net(r, False)),
    "esp": lambda r: esp(r, net(r, False)),
    "gre": gre,
    "vxlan": vxlan,
    "igmp": lambda r: ip4(r) / IGMP(type=r.choice([0x11, 0x16, 0x17]), mrcode=r.u(8),
                                    gaddr=r.ip4()),
    "mpls": mpls,
    "geneve": geneve,
    "gtp": lambda r: (net(r) / UDP(sport=2152, dport=2152)
                      / GTP_U_Header(gtp_type=255, teid=r.u(32), S=r.u(1), seq=r.u(16))
                      / transport(r)),
    "erspan": lambda r: (net(r) / GRE(seqnum_present=1, sequence_number=r.u(32), proto=0x88be)
                         / ERSPAN_II(ver=1, session_id=r.u(10), vlan=r.u(12), index=r.u(20))
                         / Ether(src=r.mac(), dst=r.mac()) / transport(r)),
    "sctp": sctp,
    "dhcp6": lambda r: (ip6(r) / UDP(sport=546, dport=547) / DHCP6_Solicit(trid=r.u(24))
                        / DHCP6OptElapsedTime(elapsedtime=r.u(16)) / DHCP6OptPref(prefval=r.u(8))),
    "ntp": lambda r: (net(r) / UDP(sport=123, dport=123)
                      / NTPHeader(version=4, mode=r.randint(1, 5), stratum=r.u(8))),
    "ike": lambda r: (net(r) / UDP(sport=500, dport=500)
                      / ISAKMP(init_cookie=r.randbytes(8), version=0x20, exch_type=34, id=r.u(32))),
    "ipip": lambda r: net(r) / transport(r),
    "fragment": lambda r: ip4(r, frag=r.randint(1, 8191)) / Raw(r.data(64, 8)),
}


def ethernet(r, packet):
    header = Ether(src=r.mac(), dst=r.mac())
    if r.flip(0.1):
        header /= Dot1AD(prio=r.u(3), id=r.u(1), vlan=r.u(12))
    if r.flip(0.2):
        header /= Dot1Q(prio=r.u(3), id=r.u(1), vlan=r.u(12))
    return header / packet


def make(seed, count):
    r = Random(seed)
    kinds = sorted(KINDS)
    for i in range(count):
        packet = KINDS[kinds[i % len(kinds)]](r)
        kind = "ip" if r.flip(0.2) and not isinstance(packet, (ARP, MPLS)) else "eth"
        octets = raw(packet if kind == "ip" else ethernet(r, packet))
        if kind == "eth" and len(octets) < 60:
            octets += bytes(60 - len(octets))
        yield kind, octets
