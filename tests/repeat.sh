#!/usr/bin/env bash
# Runs the tests again and again: one that depends on how fast the machine is fails now and then.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mpi_launch/lib/dependencies.sh
source "$tests/../mpi_launch/lib/dependencies.sh"

usage() {
  cat <<'TEXT'
Usage: bash tests/repeat.sh [--times N] [--load] [-- ARGUMENT...]

Runs tests/run.sh again and again, every second time beside a process that keeps a core busy, and prints
a line for each run: whether it passed, how long it took, and which tests failed. The exit status is 1
when any run failed. What a run printed is kept in build/repeat/NUMBER.log.

  --times N  how often (default 10)
  --load     keep a core busy every time
  --help     print this text

Everything after -- goes to tests/run.sh, as in
  bash tests/repeat.sh --times 20 -- --fast
TEXT
}

times=10
load=half
while (($# > 0)); do
  case $1 in
    --times)
      (($# >= 2)) || fail 2 "$1 needs a value; --help shows how"
      times=$2
      shift
      ;;
    --load) load=always ;;
    -h | --help)
      usage
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *) fail 2 "unknown argument '$1'; --help lists them" ;;
  esac
  shift
done
[[ $times =~ ^[1-9][0-9]*$ ]] || fail 2 "--times $times: a number from 1 on is expected"

readonly logs=$LONGHAUL_ROOT/build/repeat
rm -rf "$logs"
mkdir -p "$logs"

busy=
start_load() {
  while :; do :; done &
  busy=$!
}
stop_load() {
  [[ -n $busy ]] || return 0
  kill "$busy" 2>/dev/null || true
  wait "$busy" 2>/dev/null || true
  busy=
}
trap stop_load EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# failed_tests LOG: the names in ctest's lists of tests that failed.
failed_tests() {
  sed -n 's/^[[:space:]]*[0-9]* - \([^ ]*\) (\(.*\))/\1 \2/p' "$1" | grep -Ev ' (Skipped|Disabled)' |
    cut -d ' ' -f 1 | paste -sd ' '
}

failed_runs=0
for ((run = 1; run <= times; run++)); do
  log=$logs/$run.log
  beside=
  if [[ $load == always ]] || ((run % 2 == 0)); then
    start_load
    beside='  beside a busy core'
  fi
  began=$SECONDS
  result=passed
  bash "$tests/run.sh" "$@" >"$log" 2>&1 </dev/null || result=FAILED
  seconds=$((SECONDS - began))
  stop_load
  which=
  if [[ $result == FAILED ]]; then
    failed_runs=$((failed_runs + 1))
    which=$(failed_tests "$log") || true
    which="  ${which:-no test, see $log}"
  fi
  printf '%3d of %d  %s  %5d s%s%s\n' "$run" "$times" "$result" "$seconds" "$beside" "$which"
done

if ((failed_runs > 0)); then
  say "$failed_runs of $times runs failed; what they printed is in $logs"
  exit 1
fi
