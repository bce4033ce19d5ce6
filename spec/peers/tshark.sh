#!/bin/sh
# tshark.sh FILE.pcap COUNT: fails unless tshark reads that many packets and complains of no
# checksum, length or form.
set -eu
checked=
for protocol in ip tcp udp; do
	checked="$checked -o $protocol.check_checksum:TRUE"
done
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
