#!/usr/bin/env bash
# Changes one thing at a time in the pure domain (cargo-mutants) and asks whether tests/values/domain notice.
#
#   benches/mutants.sh          everything, hours
#   benches/mutants.sh 0/8      the first of eight shards
#   benches/mutants.sh 0/1 --re 'in finish'    those of one function; what follows the shard is cargo-mutants' own
#
# The domain knows no other module, so it is built alone, as a crate of its own in target/mutants: a mutant costs seconds
# and not the minute of the whole program. Needs cargo-mutants (`cargo install cargo-mutants --locked`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v cargo-mutants >/dev/null \
  || { echo "mutants: cargo-mutants is missing; cargo install cargo-mutants --locked" >&2; exit 1; }

work=target/mutants
core=$work/core
rm -rf "$core"
mkdir -p "$core/src" "$core/tests/values"
cp -r src/domain "$core/src/"
cp -r tests/values/domain "$core/tests/values/"
printf 'mod domain;\n' > "$core/tests/values/main.rs"
cp Cargo.lock clippy.toml "$core/"
printf 'pub mod domain;\n' > "$core/src/lib.rs"
{
  printf '[package]\nname = "writerlink"\nversion = "0.1.0"\nedition = "2024"\n\n'
  printf '[workspace]\n\n[dependencies]\n'
  sed -n '/^\[dependencies\]/,/^\[dev-/p' Cargo.toml | grep -E '^(ipnet|jiff|sha2|thiserror) = '
  printf '\n[dev-dependencies]\n'
  grep -E '^(insta|proptest) = ' Cargo.toml
  # A property test runs thousands of cases; debug information helps nobody here.
  printf '\n[profile.dev]\ndebug = false\nopt-level = 0\n\n[profile.dev.package."*"]\nopt-level = 2\n'
} > "$core/Cargo.toml"

shard=${1:-0/1}
shift || true
# `Debug` and `Display` are words for people.
status=0
cargo mutants --dir "$core" --output "$work" --no-shuffle --colors never \
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
