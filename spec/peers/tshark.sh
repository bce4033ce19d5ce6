#!/bin/sh
# tshark.sh FILE.pcap COUNT: fails unless tshark reads that many packets and complains of no
# checksum, length or form.
set -eu
checked=
for protocol in ip tcp udp; do
	checked="$checked -o $protocol.check_checksum:TRUE"
done
# What is in a datagram is random bytes, which no other dissector may take for its own.
export WIRESHARK_CONFIG_DIR="$PWD/build/peers/wireshark"
mkdir -p "$WIRESHARK_CONFIG_DIR"
printf '%s\n' frame eth ethertype vlan ieee8021ad arp ip ipv6 ipv6.hopopts ipv6.dstopts \
	ipv6.routing ipv6.routing.type.mipv6 ipv6.fraghdr ah esp icmp icmpv6 tcp udp gre vxlan \
	dns dhcp data igmp mpls geneve gtp sctp dhcpv6 ntp >"$WIRESHARK_CONFIG_DIR/kept"
tshark -G protocols 2>/dev/null | cut -f 3 | grep -vxFf "$WIRESHARK_CONFIG_DIR/kept" \
	>"$WIRESHARK_CONFIG_DIR/disabled_protos"
# Notes on what a connection does are no complaints: those are of the groups Checksum and
# Malformed, or errors.
filter='_ws.malformed || _ws.expert.group == "Checksum" ||
	_ws.expert.group == "Malformed" || _ws.expert.severity == error'
for protocol in ip tcp udp icmp icmpv6 gre; do
	filter="$filter || $protocol.checksum.status == Bad"
done
export LC_ALL=C
# shellcheck disable=SC2086
complaints=$(tshark -n -r "$1" $checked -Y "$filter" -T fields -e frame.number \
	-e frame.protocols -e _ws.expert.message 2>"$1.tshark")
count=$(tshark -n -r "$1" -T fields -e frame.number 2>>"$1.tshark" | wc -l)
if [ -n "$complaints" ] || [ "$count" != "$2" ]; then
	printf 'tshark read %s packets of %s and complains:\n%s\n' "$count" "$2" "$complaints"
	cat "$1.tshark"
	exit 1
fi
echo "$count packets read by tshark, which complains of none"
