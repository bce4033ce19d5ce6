#!/bin/bash
# What LuaRocks builds and what `make dist` makes, installed for one Lua and used from a folder
# where nothing else of this is. Run from the top: spec/rock.sh LUA FOLDER-OF-ITS-HEADERS
set -eu

lua=$1
version=$($lua -e 'print(_VERSION:match "%d.%d")')
tree=$PWD/build/rocks/$lua
log=$PWD/build/rocks/$lua.log
rm -rf "$tree"
mkdir -p "$tree"

rocks() {
	luarocks --lua-version "$version" --tree "$tree" "$@" LUA_INCDIR="$incdir" \
		>"$log" 2>&1 || { cat "$log"; echo "luarocks $1: failed" >&2; exit 1; }
}
incdir=$2

# Whatever is installed there: one symbol, and the version that the rockspec has.
check() {
	local symbols told
	symbols=$(nm -D --defined-only "$tree/lib/lua/$version/tun/core.so")
	echo "$symbols"
	[[ $symbols =~ ^[0-9a-f]+\ T\ luaopen_tun_core$ ]]
	told=$(here $lua -e 'print(require "tun".version)')
	[ -d "$tree/lib/luarocks/rocks-$version/tun/$told-1" ] ||
		{ echo "tun.version is $told; the rock has another" >&2; exit 1; }
	echo "tun $told for $lua"
}

here() {
	(cd "$tree/spec/.." && LUA_PATH="$tree/share/lua/$version/?.lua;$tree/share/lua/$version/?/init.lua;;" \
		LUA_CPATH="$tree/lib/lua/$version/?.so;;" "$@")
}

rocks make
cp -r spec "$tree/"
check
here "$lua" "$(command -v busted)" --ignore-lua --lpath= --cpath= \
	spec/tun_spec.lua spec/packet
rocks remove tun

make -s dist
for rockspec in build/dist/*.rockspec; do
	rocks build "$rockspec"
	check
	(cd "$tree" && rocks pack tun)
	rocks remove tun
	rocks install "$tree"/tun-*.rock
	check
	rocks remove tun
done
left=$(find "$tree" -path "$tree/spec" -prune -o -path '*/tun*' -type f ! -name '*.rock' -print)
[ -z "$left" ] || { echo "left by luarocks remove: $left" >&2; exit 1; }
