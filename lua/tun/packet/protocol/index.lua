-- index.lua: in which file each protocol is declared, and by which numbers it is found: as the
-- declaration says, which is loaded when the first of them is met. With it the names of numbers
-- that have no protocol here (IANA). A spec compares it with the declarations.
return {
  protocols = {
    ethernet = {
      eth = { ethertype = 0x6558, version = 16 },
      svlan = { ethertype = 0x88a8 },
      vlan = { ethertype = 0x8100 },
    },
    link = { tun_pi = {}, virtio_net = {} },
    arp = { arp = { ethertype = 0x0806 } },
    ip4 = { ip4 = { ethertype = 0x0800, version = 4, tunnel = 4 } },
    ip6 = {
      ip6 = { ethertype = 0x86dd, version = 6, tunnel = 41 },
      hopopts = { ip = 0 },
      dstopts = { ip = 60 },
      routing = { ip = 43 },
      frag = { ip = 44 },
      ah = { ip = 51 },
      esp = { ip = 50 },
    },
    icmp = { icmp = { ip = 1 } },
    icmp6 = { icmp6 = { ip = 58 } },
    nd = {
      rs = { icmp6 = 133 },
      ra = { icmp6 = 134 },
      ns = { icmp6 = 135 },
      na = { icmp6 = 136 },
      redirect = { icmp6 = 137 },
    },
    mld = {
      mld = { icmp6 = { 130, 131, 132 } },
      mld2 = { mld = 2 },
      mld2_report = { icmp6 = 143 },
    },
    tcp = { tcp = { ip = 6 } },
    udp = { udp = { ip = 17 } },
    gre = { gre = { ip = 47 } },
    vxlan = { vxlan = { udp = 4789 } },
    dns = { dns = { udp = { 53, 5353 } } },
    dhcp = { dhcp = { udp = { 67, 68 } } },
  },
  names = {
    ip = { igmp = 2, ip4 = 4, egp = 8, dccp = 33, ip6 = 41, rsvp = 46, nonext = 59, ospf = 89,
           pim = 103, vrrp = 112, l2tp = 115, sctp = 132, mobility = 135, udplite = 136,
           mpls = 137 },
    ethertype = { mpls = 0x8847, pppoe = 0x8864, lldp = 0x88cc, loopback = 0x9000 },
    icmp6 = { unreachable = 1, too_big = 2, time_exceeded = 3, parameter_problem = 4, echo = 128,
              echo_reply = 129, mld_query = 130, mld_report = 131, mld_done = 132 },
  },
}
