#!/bin/sh
# run.sh: look for inputs that break something, each target for some seconds, two at a time.
# A line for each tells how much it tried, how far it came (edges of the C code, lines of the
# scripts), and what it found: a file beside the log.
# Run: spec/fuzz/run.sh SECONDS [TARGET], as `make fuzz` does, which builds the targets.
seconds=$1 target=$2 build=build/fuzz

# The targets, and which Lua each is linked with. PUC Lua takes memory by realloc(), so that
# AddressSanitizer sees the end of a userdata; LuaJIT compiles, and reads by the FFI.
targets='headers/lua5.4 split/lua5.4 join/lua5.4 rewrite/lua5.4 decode/lua5.4 ack/lua5.4
  filter/lua5.4 batch/lua5.4 udp/lua5.4 packet/lua5.4 fragments/lua5.4 declare/lua5.4
  packet/luajit batch/luajit declare/luajit'

# Signals are for libFuzzer, which writes the input down.
export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=8:handle_segv=0

# The corpus grows from run to run; beside it are the seeds, and what once was a finding.
run_one() {
  name=${1%/*} lua=${1#*/}
  log=$build/log/$name-$lua.log found=$build/found/$name-$lua-
  mkdir -p $build/log $build/found $build/corpus/$name $build/seeds/$name spec/fuzz/$name
  rm -f "$found"*
  $build/$lua/fuzz/$name -max_total_time="$seconds" -max_len=20000 -len_control=20 \
    -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found" \
    $build/corpus/$name $build/seeds/$name spec/fuzz/$name >"$log" 2>&1
  failed=$?
  findings=$(find $build/found -name "$name-$lua-*" | wc -l)
  [ $failed = 0 ] || [ "$findings" -gt 0 ] || findings=1 # and no file
  printf '%-18s %10s runs %6s edges and lines %3d findings\n' "$1" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(sed -n 's/.* ft: \([0-9]*\).*/\1/p' "$log" | tail -1)" "$findings"
  [ $failed = 0 ] && return
  grep -E 'raised:|does not hold|runtime error|^SUMMARY' "$log" | head -3
  ls "$found"* "$log" 2>/dev/null
  return 1
}

if [ "$target" = each ]; then # called by ourselves, below
  run_one "$3"
  exit
fi
for each in $targets; do
  [ -z "$target" ] || [ "$target" = "${each%/*}" ] || [ "$target" = "$each" ] && echo "$each"
done | xargs -P 2 -n 1 "$0" "$seconds" each
