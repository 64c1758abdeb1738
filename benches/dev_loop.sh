#!/usr/bin/env bash
# What a developer waits for: version 0.1.0 and this tree, side by side, on one machine and in one run.
#
#   benches/dev_loop.sh             from touching a line of the decision code to the end of its tests, and the ratio
#   benches/dev_loop.sh --whole     besides: a clean build and the whole suite, in CPU seconds; forty minutes and more
#   benches/dev_loop.sh --release   besides: size and idle memory of the container's program, by `make footprint`
#
# ROUNDS (5 unless set) is how often the first is measured, in turns; its figure is the median. Both trees are built
# in SCRATCH, each with its own Cargo.toml's profiles; the first run there builds all dependencies twice. It lies
# outside of this tree, or cargo would take the older one for a part of our workspace.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Version 0.1.0, where its decisions are, and how their tests are run.
THEN_COMMIT=ed1056a
THEN_TOUCH=src/domain/decide.rs
THEN_TESTS=(test --locked --test domain)

# The same of this tree, which the environment may set.
NOW_TOUCH=${NOW_TOUCH:-crates/core/src/decision/event.rs}
read -ra NOW_TESTS <<< "${NOW_TESTS:-test --locked -p writerlink-core}"

CARGO=${CARGO:-cargo}
ROUNDS=${ROUNDS:-5}
# A caller's own profile would be neither tree's.
unset CARGO_PROFILE_DEV_OPT_LEVEL CARGO_TARGET_DIR

whole=no release=no
for flag in "$@"; do
  case "$flag" in
    --whole) whole=yes ;;
    --release) release=yes ;;
    *) sed -n '2,/^set -euo/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

now=$PWD
scratch=${SCRATCH:-${TMPDIR:-/tmp}/writerlink-dev-loop}
then=$scratch/0.1.0
log=$scratch/log
mkdir -p "$scratch"
: > "$log"

[ -f "$NOW_TOUCH" ] \
  || { echo "dev_loop: there is no $NOW_TOUCH; say where the decisions are: NOW_TOUCH=..." >&2; exit 1; }
# Unpacked once: git gives the files the commit's time, so that a second unpacking builds nothing anew.
if [ ! -d "$then" ]; then
  mkdir -p "$then"
  git archive "$THEN_COMMIT" | tar -x -C "$then"
fi

# In a tree, with a target folder of its own below the scratch; its output is in the log.
in_tree() { # tree target command...
  local tree=$1 target=$2
  shift 2
  (cd "$tree" && CARGO_TARGET_DIR=$scratch/$target "$@") >> "$log" 2>&1 \
    || { echo "dev_loop: failed in $tree: $*; the end of $log:" >&2; tail -n 20 "$log" >&2; exit 1; }
}

# Seconds on the clock of what is run.
seconds() {
  local TIMEFORMAT=%R
  { time in_tree "$@" 2>&3; } 3>&2 2>&1
}

# CPU seconds, user and system, of what is run and of all that it waited for.
cpu_seconds() {
  local TIMEFORMAT='%U %S'
  { time in_tree "$@" 2>&3; } 3>&2 2>&1 | awk '{ print $1 + $2 }'
}

median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }
ratio() { awk -v then="$1" -v now="$2" 'BEGIN { printf "%.2f", then / now }'; }
share() { awk -v then="$1" -v now="$2" 'BEGIN { printf "%.2f", now / then }'; }

echo "version 0.1.0 ($THEN_COMMIT) and this tree ($(git describe --always --dirty))"
echo "$(nproc) cores, $(rustc --version)"

# One run each before the clock: what is measured is a change, and not the first build.
in_tree "$then" then "$CARGO" "${THEN_TESTS[@]}"
in_tree "$now" now "$CARGO" "${NOW_TESTS[@]}"
: > "$scratch/then.seconds"
: > "$scratch/now.seconds"
for _ in $(seq "$ROUNDS"); do
  touch "$then/$THEN_TOUCH"
  seconds "$then" then "$CARGO" "${THEN_TESTS[@]}" >> "$scratch/then.seconds"
  touch "$now/$NOW_TOUCH"
  seconds "$now" now "$CARGO" "${NOW_TESTS[@]}" >> "$scratch/now.seconds"
done
t=$(median < "$scratch/then.seconds")
n=$(median < "$scratch/now.seconds")
echo "(a) seconds from touching the decision code to the end of its tests, median of $ROUNDS (aim: 5 times sooner)"
echo "    0.1.0: touch $THEN_TOUCH; cargo ${THEN_TESTS[*]}: $t"
echo "    now:   touch $NOW_TOUCH; cargo ${NOW_TESTS[*]}: $n"
echo "    $(ratio "$t" "$n") times sooner"

if [ "$whole" = yes ]; then
  # What the tests need and cargo does not build is no part of the figure.
  in_tree "$then" whole make venv
  in_tree "$now" whole make venv
  rm -rf "$scratch/whole"
  t=$(cpu_seconds "$then" whole "$CARGO" test --locked --workspace)
  rm -rf "$scratch/whole"
  n=$(cpu_seconds "$now" whole "$CARGO" test --locked --workspace)
  rm -rf "$scratch/whole"
  echo "(b) CPU seconds (user and system) of a clean build and the whole suite, without linters (aim: 0.6)"
  echo "    processes that nobody waited for, such as the AWS emulators, are not counted, on either side"
  echo "    0.1.0: $t"
  echo "    now:   $n"
  echo "    $(share "$t" "$n") of 0.1.0's"
fi

if [ "$release" = yes ]; then
  echo "(c) the container's program, by each tree's own \`make footprint\` (aim: not larger)"
  for side in then now; do
    tree=${!side}
    echo "    $side, in $tree:"
    # Its makefile names a target folder itself.
    (cd "$tree" && make -s footprint 2>> "$log") | sed 's/^/      /'
  done
fi
