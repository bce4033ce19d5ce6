"""peer.py: what scapy says of packets, for the specs of tun.packet to compare with.

peer.py make SEED COUNT   random packets that scapy built, each as a line of Lua: its
                          bytes and every field as scapy reads it
peer.py read FILE.pcap    the same lines for packets that somebody else built

A line is a table: kind, bytes (in hex), layers = { { name, field = value, ... }, ... },
payload (in hex), inner = the same for the packet inside of this one. Names are those of
tun.packet; the rows below are the only place that knows both.
"""
import struct
import sys

from packets import make
from scapy.compat import raw
from scapy.config import conf
from scapy.contrib.erspan import ERSPAN_II
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.igmp import IGMP
from scapy.contrib.mpls import MPLS
from scapy.layers import inet6
from scapy.layers.dhcp import BOOTP
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import IPerror6, IPv6
from scapy.layers.ipsec import AH, ESP
from scapy.layers.isakmp import ISAKMP
from scapy.layers.ntp import NTPHeader
from scapy.layers.sctp import SCTP
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import NoPayload, Padding, Raw, bind_layers
from scapy.utils import RawPcapReader

conf.debug_dissector = True     # what scapy cannot read is our mistake, not data
bind_layers(AH, UDP, nh=17)
bind_layers(IP, IGMP, proto=2)


# -- Values as Lua ---------------------------------------------------------

def lua(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return '"' + "".join(c if 32 <= ord(c) < 127 and c not in '"\\'
                             else "\\%03d" % ord(c) for c in value) + '"'
    if isinstance(value, dict):
        return "{" + ",".join("%s=%s" % (k if k.isidentifier() and k != "end" else '["%s"]' % k,
                                         lua(v)) for k, v in value.items()) + "}"
    return "{" + ",".join(lua(v) for v in value) + "}"


# -- scapy's layers by our names -------------------------------------------
# A row is our layer and its fields: each the name of scapy's field, or a function of the
# layer.

def same(text):
    return {name: name for name in text.split()}


def renamed(text):
    return dict(pair.split("=") for pair in text.split())


def bits(field, shift, width):
    return lambda layer: int(getattr(layer, field)) >> shift & (1 << width) - 1


def bit(field, shift):
    return lambda layer: int(getattr(layer, field)) >> shift & 1 == 1


# An option is { number, value }.

def record(option, names):
    return {ours: getattr(option, theirs) for ours, theirs in renamed(names).items()}


def ip4_options(ip):
    found = []
    for option in ip.options:
        octets = raw(option)
        kind, value = octets[0], [octets[2:]]
        if kind < 2:
            value = []
        elif kind == 7:
            value = [record(option, "pointer=pointer addresses=routers")]
        elif kind == 68:
            value = [{**record(option, "pointer=pointer overflow=oflw flag=flg"),
                      "data": octets[4:]}]
        elif kind == 148:
            value = [option.alert]
        found.append([kind] + value)
        if kind == 0:
            break
    return found


def tcp_options(tcp):
    kinds = {"EOL": 0, "NOP": 1, "MSS": 2, "WScale": 3, "SAckOK": 4, "SAck": 5, "Timestamp": 8}
    found = []
    for name, value in tcp.options:
        if name == "Timestamp":
            value = dict(zip(("value", "echo"), value))
        found.append([kinds[name]] + ([] if value in (None, b"") else
                                      [list(value) if name == "SAck" else value]))
    return found


def ip6_options(header):
    values = {0: lambda o: [], 4: lambda o: [o.optdata[0]], 5: lambda o: [o.value],
              0xc2: lambda o: [o.jumboplen]}
    return [[o.otype] + values.get(o.otype, lambda o: [o.optdata])(o) for o in header.options]


def nd_options(message):
    found, option = [], message.payload
    while option.name != "NoPayload":
        found.append([option.type, ND_OPTIONS[type(option)](option)])
        option = option.payload
    return found


ND_OPTIONS = {
    inet6.ICMPv6NDOptSrcLLAddr: lambda o: o.lladdr,
    inet6.ICMPv6NDOptDstLLAddr: lambda o: o.lladdr,
    inet6.ICMPv6NDOptMTU: lambda o: record(o, "mtu=mtu"),
    inet6.ICMPv6NDOptPrefixInfo: lambda o: record(
        o, "length=prefixlen on_link=L autonomous=A valid=validlifetime prefix=prefix"
           " preferred=preferredlifetime"),
    inet6.ICMPv6NDOptRDNSS: lambda o: record(o, "lifetime=lifetime addresses=dns"),
}


MLD_TYPES = [None, "is_in", "is_ex", "to_in", "to_ex", "allow", "block"]


def records(report):
    found, one = [], (report.records or [None])[0]
    while isinstance(one, inet6.ICMPv6MLDMultAddrRec):
        found.append({"type": MLD_TYPES[one.rtype], "group": one.dst, "sources": one.sources})
        one = one.payload
    return found


def name_of(name):
    return name.decode("latin-1").rstrip(".") or "."


DNS_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT",
             28: "AAAA", 33: "SRV"}
SOA = "mname rname serial refresh retry expire minimum".split()


def dns_data(rr):
    named = {"MX": ["preference", "exchange"], "SRV": ["priority", "weight", "port", "target"],
             "SOA": SOA}.get(DNS_TYPES[rr.type])
    clean = lambda value: name_of(value) if isinstance(value, bytes) else value
    if named:
        return {field: clean(getattr(rr, field)) for field in named}
    return rr.rdata if DNS_TYPES[rr.type] == "TXT" else clean(rr.rdata)


def questions(message):
    found, question = [], message.qd
    while question:
        found.append({"name": name_of(question.qname), "type": DNS_TYPES[question.qtype],
                      "class": "IN"})
        question = question.payload
    return found


def section(field):
    def records_of(message):
        found, rr = [], getattr(message, field)
        while rr:
            found.append({"name": name_of(rr.rrname), "type": DNS_TYPES[rr.type], "class": "IN",
                          "ttl": rr.ttl, "data": dns_data(rr)})
            rr = rr.payload
        return found
    return records_of


DHCP_KINDS = {"subnet_mask": 1, "router": 3, "name_server": 6, "hostname": 12,
              "requested_addr": 50, "lease_time": 51, "message-type": 53, "server_id": 54,
              "param_req_list": 55}
DHCP_TYPES = "discover offer request decline ack nak release inform".split()


def dhcp_options(bootp):
    found = []
    for option in bootp.payload.options:
        name, values = option[0], list(option[1:])
        if option == "end":
            found.append([255])
            break
        value = values if name in ("router", "name_server") else values[0]
        if name == "message-type":
            value = DHCP_TYPES[value - 1]
        found.append([DHCP_KINDS[name], value])
    return found


IP4 = ("ip4", {
    **same("version ihl id ttl proto src dst"),
    **renamed("length=len offset=frag checksum=chksum"),
    "dscp": bits("tos", 2, 6), "ecn": bits("tos", 0, 2),
    "reserved": bit("flags", 2), "df": bit("flags", 1), "mf": bit("flags", 0),
    "options": ip4_options,
})
IP6 = ("ip6", {
    **same("version src dst hlim"), **renamed("flow=fl length=plen next=nh"),
    "dscp": bits("tc", 2, 6), "ecn": bits("tc", 0, 2),
})
OPTIONS6 = {**same("len"), "next": "nh", "options": ip6_options}
UDP_ = ("udp", {**same("sport dport"), **renamed("length=len checksum=chksum")})
TCP_ = ("tcp", {
    **same("sport dport seq ack window reserved"),
    **renamed("doff=dataofs checksum=chksum urgent=urgptr"),
    **{name: bit("flags", n) for n, name in enumerate(
        "fin syn rst psh has_ack urg ece cwr ae".split())},
    "flags": bits("flags", 0, 8), "options": tcp_options,
})
TAG = {**renamed("pcp=prio id=vlan type=type"), "dei": bit("id", 0)}
MESSAGE = renamed("type=type code=code checksum=cksum")
ICMP_BY_TYPE = {
    **{kind: same("id seq") for kind in (0, 8, 13, 14)},
    3: renamed("mtu=nexthopmtu"), 5: renamed("gateway=gw"), 12: renamed("pointer=ptr"),
}

LAYERS = {
    Ether: ("eth", same("dst src type")),
    Dot1AD: ("svlan", TAG),
    Dot1Q: ("vlan", TAG),
    ARP: ("arp", renamed("htype=hwtype ptype=ptype hlen=hwlen plen=plen op=op sha=hwsrc"
                         " spa=psrc tha=hwdst tpa=pdst")),
    IP: IP4, IPerror: IP4, IPv6: IP6, IPerror6: IP6, UDP: UDP_, UDPerror: UDP_,
    TCP: TCP_, TCPerror: TCP_,
    ICMP: ("icmp", renamed("type=type code=code checksum=chksum")),
    inet6.IPv6ExtHdrHopByHop: ("hopopts", OPTIONS6),
    inet6.IPv6ExtHdrDestOpt: ("dstopts", OPTIONS6),
    inet6.IPv6ExtHdrRouting: ("routing", renamed("next=nh len=len type=type segleft=segleft"
                                                 " reserved=reserved addresses=addresses")),
    inet6.IPv6ExtHdrFragment: ("frag", {**renamed("next=nh reserved=res1 offset=offset"
                                                  " reserved2=res2 id=id"), "mf": bit("m", 0)}),
    AH: ("ah", renamed("next=nh len=payloadlen reserved=reserved spi=spi seq=seq icv=icv")),
    ESP: ("esp", same("spi seq")),
    inet6.ICMPv6EchoRequest: ("icmp6", {**MESSAGE, **same("id seq")}),
    inet6.ICMPv6EchoReply: ("icmp6", {**MESSAGE, **same("id seq")}),
    inet6.ICMPv6DestUnreach: ("icmp6", MESSAGE),
    inet6.ICMPv6TimeExceeded: ("icmp6", MESSAGE),
    inet6.ICMPv6PacketTooBig: ("icmp6", {**MESSAGE, **same("mtu")}),
    inet6.ICMPv6ParamProblem: ("icmp6", {**MESSAGE, **renamed("pointer=ptr")}),
    inet6.ICMPv6ND_RS: ("rs", renamed("reserved=res")),
    inet6.ICMPv6ND_RA: ("ra", {
        **renamed("hlim=chlim preference=prf reserved=res lifetime=routerlifetime"
                  " reachable=reachabletime retrans=retranstimer"),
        "managed": bit("M", 0), "other": bit("O", 0), "home": bit("H", 0), "proxy": bit("P", 0),
    }),
    inet6.ICMPv6ND_NS: ("ns", renamed("reserved=res target=tgt")),
    inet6.ICMPv6ND_NA: ("na", {**renamed("reserved=res target=tgt"), "router": bit("R", 0),
                               "solicited": bit("S", 0), "override": bit("O", 0)}),
    inet6.ICMPv6ND_Redirect: ("redirect", renamed("reserved=res target=tgt dst=dst")),
    **{message: ("mld", renamed("max_response=mrd reserved=reserved group=mladdr"))
       for message in (inet6.ICMPv6MLQuery, inet6.ICMPv6MLReport, inet6.ICMPv6MLDone,
                       inet6.ICMPv6MLQuery2)},
    inet6.ICMPv6MLReport2: ("mld2_report", {**renamed("reserved=reserved nrecords=records_number"),
                                            "records": records}),
    GRE: ("gre", {
        **renamed("version=version proto=proto"), "c": bit("chksum_present", 0),
        "r": bit("routing_present", 0), "k": bit("key_present", 0), "s": bit("seqnum_present", 0),
    }),
    DNS: ("dns", {
        **same("id opcode rcode qdcount ancount nscount arcount"),
        **{flag: bit(flag, 0) for flag in "qr aa tc rd ra z ad cd".split()},
        "questions": questions, "answers": section("an"), "authorities": section("ns"),
    }),
    BOOTP: ("dhcp", {
        **same("op htype hlen hops xid secs ciaddr yiaddr siaddr giaddr"),
        "broadcast": bit("flags", 15), "flags": bits("flags", 0, 15),
        "chaddr": lambda layer: layer.chaddr[:6].hex(":"), "options": dhcp_options,
    }),
    IGMP: ("igmp", renamed("type=type max_response=mrcode checksum=chksum group=gaddr")),
    MPLS: ("mpls", {**renamed("label=label tc=cos ttl=ttl"), "s": bit("s", 0)}),
    GENEVE: ("geneve", {
        **renamed("version=version optlen=optionlen type=proto vni=vni"), "oam": bit("oam", 0),
    }),
    GTP_U_Header: ("gtp", {**renamed("version=version type=gtp_type length=length teid=teid"),
                           "s": bit("S", 0), "e": bit("E", 0)}),
    ERSPAN_II: ("erspan2", renamed("version=ver vlan=vlan session=session_id index=index")),
    SCTP: ("sctp", renamed("sport=sport dport=dport tag=tag")),
    DHCP6_Solicit: ("dhcp6", renamed("type=msgtype xid=trid")),
    NTPHeader: ("ntp", renamed("leap=leap version=version mode=mode stratum=stratum")),
    ISAKMP: ("ike", renamed("exchange=exch_type id=id length=length next=next_payload")),
    VXLAN: ("vxlan", {"i": bit("flags", 3), **renamed("vni=vni reserved3=reserved2")}),
}

# What goes in front of a message that has a layer of its own in ICMPv6.
BEHIND_ICMP6 = {"rs", "ra", "ns", "na", "redirect", "mld", "mld2_report"}
SOURCES = ("mld2", {**renamed("reserved=Resv qrv=QRV qqic=QQIC nsources=sources_number"
                              " sources=sources"), "s": bit("S", 0)})
GRE_OPTIONAL = (("chksum_present", "checksum", "chksum"), ("key_present", "key", "key"),
                ("seqnum_present", "seq", "sequence_number"))


def fields_of(layer, row):
    name, fields = row
    return {"layer": name, **{ours: theirs(layer) if callable(theirs) else getattr(layer, theirs)
                              for ours, theirs in fields.items()}}


def described(layer):
    """Our layers, most often one, for one of scapy's."""
    found = fields_of(layer, LAYERS[type(layer)])
    name = found["layer"]
    if isinstance(layer, ICMP):
        found.update((ours, getattr(layer, theirs))
                     for ours, theirs in ICMP_BY_TYPE.get(layer.type, {}).items())
    elif name == "gre":
        found.update((ours, getattr(layer, theirs)) for present, ours, theirs in GRE_OPTIONAL
                     if getattr(layer, present))
    elif name in ("rs", "ra", "ns", "na", "redirect"):
        found["options"] = nd_options(layer)
    if name not in BEHIND_ICMP6:
        return [found]
    code = {} if isinstance(layer, inet6.ICMPv6MLReport2) else {"code": layer.code}
    front = {"layer": "icmp6", "type": layer.type, "checksum": layer.cksum, **code}
    behind = [fields_of(layer, SOURCES)] if isinstance(layer, inet6.ICMPv6MLQuery2) else []
    return [front, found] + behind


NETS = (IP, IPv6, IPerror, IPerror6)
ENDS = BEHIND_ICMP6 - {"mld"} | {"dns", "dhcp", "sctp", "dhcp6", "ntp", "ike"}


def payload_of(last, rest):
    if isinstance(last, ICMP) and last.type in (13, 14):
        return struct.pack("!III", last.ts_ori, last.ts_rx, last.ts_tx)
    if isinstance(last, (ESP, inet6.ICMPv6EchoRequest, inet6.ICMPv6EchoReply)):
        return last.data or b""
    return b"" if isinstance(rest, (NoPayload, Padding)) else rest.load if isinstance(
        rest, Raw) else None


def describe(layer):
    """What scapy knows of a packet, in our words."""
    layers, seen_net, last = [], False, None
    while type(layer) in LAYERS:
        is_net, is_link = isinstance(layer, NETS), isinstance(layer, (Ether, ERSPAN_II))
        if is_net and seen_net or layers and is_link:
            return {"layers": layers, "inner": describe(layer)}
        layers += described(layer)
        seen_net, last, layer = seen_net or is_net, layer, layer.payload
        if layers[-1]["layer"] in ENDS:
            return {"layers": layers}
    if not isinstance(layer, (NoPayload, Padding, Raw)):
        raise ValueError("no row for %r" % layer)
    return {"layers": layers, "payload": payload_of(last, layer).hex()}


# -- The command -----------------------------------------------------------

def line(kind, octets):
    first = Ether if kind == "eth" else IP if octets[0] >> 4 == 4 else IPv6
    return lua({"kind": kind, "bytes": octets.hex(), **describe(first(octets))})


def read(path):
    for octets, _ in RawPcapReader(path):
        yield "eth", octets


def main(command, *given):
    packets = make(int(given[0]), int(given[1])) if command == "make" else read(given[0])
    for kind, octets in packets:
        print(line(kind, octets))


if __name__ == "__main__":
    main(*sys.argv[1:])
