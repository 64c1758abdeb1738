#!/usr/bin/env bash
# Changes one thing at a time in the core (cargo-mutants) and asks whether its tests notice.
#
#   benches/mutants.sh          everything, hours
#   benches/mutants.sh 0/8      the first of eight shards
#   benches/mutants.sh 0/1 --re 'in finish'    those of one function; what follows the shard is cargo-mutants' own
#
# The core is a crate, and only it and its tests are built: a mutant costs seconds and not the minute of the whole
# program. Needs cargo-mutants (`cargo install cargo-mutants --locked`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v cargo-mutants >/dev/null \
  || { echo "mutants: cargo-mutants is missing; cargo install cargo-mutants --locked" >&2; exit 1; }

work=target/mutants
mkdir -p "$work"
# A property test runs thousands of cases; debug information helps nobody here.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_DEV_OPT_LEVEL=0

shard=${1:-0/1}
shift || true
# `Debug` and `Display` are words for people.
status=0
cargo mutants --package writerlink-core --output "$work" --no-shuffle --colors never \
  --exclude-re 'impl (fmt::)?(Debug|Display)' \
  --minimum-test-timeout 60 --shard "$shard" "$@" || status=$?

out=$work/mutants.out
lines() { if [ -f "$out/$1.txt" ]; then wc -l < "$out/$1.txt"; else echo 0; fi; }
caught=$(( $(lines caught) + $(lines timeout) ))
missed=$(lines missed)
echo
echo "mutants of shard $shard${*:+, $*}: $((caught + missed)) viable, $caught caught, $missed missed, $(lines unviable) did not build"
if [ "$missed" -gt 0 ]; then
  echo "missed:"
  sed 's/^/  /' "$out/missed.txt"
fi
# 2: some were missed; 3: some ran into the time limit. Both are figures, and no failure of the run.
case "$status" in 0 | 2 | 3) ;; *) exit "$status" ;; esac
