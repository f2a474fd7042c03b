#!/usr/bin/env bash
# Builds the fuzz targets with clang's libFuzzer and runs them.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mpi_launch/lib/dependencies.sh
source "$tests/../mpi_launch/lib/dependencies.sh"

usage() {
  cat <<'TEXT'
Usage: bash tests/fuzz.sh [--seconds N] [--target NAME]... [--build-only]

Builds every target of tests/fuzz with clang, libFuzzer, AddressSanitizer and
UndefinedBehaviorSanitizer in build/fuzz, and runs one after another, beginning with the inputs in
tests/fuzz/corpus and those that earlier runs found worth keeping (build/fuzz/corpus).

  --seconds N    run each target for N seconds (default 60)
  --target NAME  only this target; may be given more than once
  --build-only   build, run nothing
  --help         print this text

An input that crashes, leaks, is not done within 10 seconds or takes more than 4 GB is kept in
build/fuzz/crashes, and the exit status is 1. To see it again:
  build/fuzz/tests/fuzz/fuzz_NAME build/fuzz/crashes/NAME/...
When it is mended, add it to tests/fuzz/corpus/NAME, which every test run replays.
TEXT
}

seconds=60
targets=()
build_only=no
while (($# > 0)); do
  case $1 in
    --seconds | --target)
      (($# >= 2)) || fail 2 "$1 needs a value; --help shows how"
      case $1 in
        --seconds) seconds=$2 ;;
        --target) targets+=("$2") ;;
      esac
      shift
      ;;
    --build-only) build_only=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail 2 "unknown argument '$1'; --help lists them" ;;
  esac
  shift
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail 2 "--seconds $seconds: a number from 1 on is expected"

readonly build=$LONGHAUL_ROOT/build/fuzz
known=()
for folder in "$tests"/fuzz/corpus/*/; do
  known+=("$(basename "$folder")")
done
((${#targets[@]} > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" $target "* ]] || fail 2 "--target $target: unknown; known: ${known[*]}"
done

require_packages clang
say "Building"
configure_and_build fuzz "$LONGHAUL_ROOT/build/fuzz-build.log" all
if [[ $build_only == yes ]]; then
  exit 0
fi

export UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1
failed=()
printf '%-10s %12s %10s %10s %8s  %s\n' target inputs "a second" features kept result
for target in "${targets[@]}"; do
  corpus=$build/corpus/$target
  crashes=$build/crashes/$target
  log=$build/$target.log
  mkdir -p "$corpus" "$crashes"
  arguments=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1
    -artifact_prefix="$crashes/")
  if [[ -f $tests/fuzz/$target.dict ]]; then
    arguments+=(-dict="$tests/fuzz/$target.dict")
  fi
  result=passed
  if ! "$build/tests/fuzz/fuzz_$target" "${arguments[@]}" "$corpus" "$tests/fuzz/corpus/$target" \
    >"$log" 2>&1; then
    result="FAILED: $log"
    failed+=("$target")
  fi
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
  features=$(sed -n 's/.* ft: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
  printf '%-10s %12s %10s %10s %8s  %s\n' "$target" "$(stat number_of_executed_units)" \
    "$(stat average_exec_per_sec)" "${features:--}" "$(find "$corpus" -type f | wc -l)" "$result"
done

if ((${#failed[@]} > 0)); then
  for target in "${failed[@]}"; do
    printf '\n== %s\n' "$target"
    grep -E -A 14 'ERROR: |property does not hold|runtime error|terminate called|SUMMARY' "$build/$target.log" |
      head -n 40 || tail -n 20 "$build/$target.log"
    say "inputs: $(find "$build/crashes/$target" -type f | tr '\n' ' ')"
  done
  exit 1
fi
