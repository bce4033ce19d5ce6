#!/bin/bash
# Installs what LuaRocks builds of the checkout and of what `make dist` makes, and uses it from
# a folder where nothing else of this is. Run it at the top: spec/rock.sh LUA ITS-HEADERS
set -eu

lua=$1 incdir=$2
version=$($lua -e 'print(_VERSION:match "%d.%d")')
tree=$PWD/build/rocks/$lua
log=$tree.log
rm -rf "$tree"
mkdir -p "$tree"
cp -r spec "$tree/"

fail() {
	echo "$lua: $*" >&2
	exit 1
}

rocks() {
	luarocks --lua-version "$version" --tree "$tree" "$@" \
		LUA_INCDIR="$incdir" >"$log" 2>&1 || { cat "$log"; fail "luarocks $*"; }
}

installed() {
	cd "$tree" && LUA_PATH="share/lua/$version/?.lua;share/lua/$version/?/init.lua;;" \
		LUA_CPATH="lib/lua/$version/?.so;;" "$lua" "$@"
}

# What is installed exports one name, and has the version of its rockspec.
check() {
	local names version_told
	names=$(nm -D --defined-only "$tree/lib/lua/$version/tun/core.so")
	echo "$names"
	[[ $names =~ ^[0-9a-f]+\ T\ luaopen_tun_core$ ]] || fail "core.so exports more than that"
	version_told=$(installed -e 'print(require "tun".version)')
	[ -d "$tree/lib/luarocks/rocks-$version/tun/$version_told-1" ] ||
		fail "tun.version is $version_told, which is not the rock's"
	echo "$lua: tun $version_told"
}

rocks make
check
(installed "$(command -v busted)" --ignore-lua --lpath= --cpath= spec/tun_spec.lua spec/packet)
rocks remove tun

make -s dist
rocks build build/dist/tun-*.rockspec
check
(cd "$tree" && rocks pack tun)
rocks remove tun
rocks install "$tree"/tun-*.rock
check
rocks remove tun
for left in "$tree"/share/lua/*/tun "$tree"/lib/lua/*/tun; do
	[ ! -e "$left" ] || fail "luarocks remove leaves $left"
done
