#!/bin/sh
# run.sh SEED COUNT LUA...: packets built by scapy are read the same here, and packets
# built here are read the same by scapy, and by tshark without complaint.
set -eu
seed=$1 count=$2
shift 2
dir=build/peers
peer="/usr/bin/python3 spec/peers/peer.py"	# that of Debian has Debian's scapy
mkdir -p $dir
echo "seed $seed, $count packets each way (make peers SEED=$seed COUNT=$count)"
$peer make "$seed" "$count" >$dir/scapy.txt 2>$dir/scapy.log
rm -f $dir/*.pcap
for lua in "$@"; do
	make -s "build/$lua/tun/core.so" LUA="$lua"
	export LUA_CPATH="$PWD/build/$lua/?.so;;"
	"$lua" spec/peers/read.lua $dir/scapy.txt
	"$lua" spec/peers/build.lua "$seed" "$count" "$dir/$lua.pcap"
	if ! [ -e $dir/built.pcap ]; then
		mv "$dir/$lua.pcap" $dir/built.pcap
		spec/peers/tshark.sh $dir/built.pcap "$count"
		$peer read $dir/built.pcap >$dir/built.txt 2>$dir/built.log
	else
		cmp "$dir/$lua.pcap" $dir/built.pcap # the same under every Lua
	fi
	"$lua" spec/peers/build.lua "$seed" "$count" $dir/built.pcap $dir/built.txt
done
