#!/usr/bin/env bash
# Runs the tests that need a GPU: see usage.
set -uo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mpi_launch/lib/dependencies.sh
source "$tests/../mpi_launch/lib/dependencies.sh"

usage() {
  cat <<'TEXT'
Usage: bash tests/run_gpu.sh [--build DIR] [--logs DIR] [--ranks "1 2 4 8"] [PART...]

Runs the CUDA backend's tests on a machine with a GPU, from a finished build. Parts, all but sanitize
when none is named:

  kernels      every op against its reference, matrix products, attention, choosing a GPU
  nccl         collectives of several ranks, which share GPUs where there are fewer
  golden       tiny models against Hugging Face transformers' values, with each attention engine
  layouts      every TP x CP x DP against one rank
  compare      models with real head sizes against the CPU backend
  curve        fine-tuning real rows beside transformers, and beside the CPU backend
  interchange  checkpoints from GPU to CPU and back
  sanitize     compute-sanitizer on the ops: memory accesses and races

  --build DIR  the build (default build/release); its programs may also lie in one flat folder
  --logs DIR   what the tests print goes here (default build/gpu-logs); this script prints failures
               and one line a test
  --ranks "N..." how many ranks nccl and layouts run with (default 1 2 4 8)
  --help       print this text

Without a GPU it says so and exits with 2; when a test failed, with 1.
TEXT
}

build=$LONGHAUL_ROOT/build/release
logs=$LONGHAUL_ROOT/build/gpu-logs
rank_counts="1 2 4 8"
parts=()
while (($# > 0)); do
  case $1 in
    --build | --logs | --ranks)
      (($# >= 2)) || fail 2 "$1 needs a value; --help shows how"
      case $1 in
        --build) build=$2 ;;
        --logs) logs=$2 ;;
        --ranks) rank_counts=$2 ;;
      esac
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    kernels | nccl | golden | layouts | compare | curve | interchange | sanitize) parts+=("$1") ;;
    *) fail 2 "unknown argument '$1'; --help lists them" ;;
  esac
  shift
done
((${#parts[@]} > 0)) || parts=(kernels nccl golden layouts compare curve interchange)

[[ -d $build ]] || fail 2 "--build $build: no such folder; build first: bash tests/run.sh --build-only"
if ! gpus=$(nvidia-smi -L 2>/dev/null) || [[ $gpus != *GPU* ]]; then
  fail 2 "this machine has no usable NVIDIA GPU (nvidia-smi -L lists none)"
fi
gpu_count=$(grep -c '^GPU ' <<<"$gpus")
mkdir -p "$logs"
build=$(cd "$build" && pwd)
logs=$(cd "$logs" && pwd)

set_mpi_environment
# Test data and helper libraries lie where this script is, not where the build was made.
export LONGHAUL_TEST_DATA=$tests/data
export NO_COLOR=1 GTEST_COLOR=no

# program NAME: its path in the build; empty when it is not there.
program() {
  find "$build" -type f -name "$1" -perm -u+x -print -quit
}
fake_nvml=$(find "$build" -name libfake_nvml.so -print -quit)
[[ -z $fake_nvml ]] || export LONGHAUL_FAKE_NVML=$fake_nvml

ran=0
failures=()

# What of a failed test's log says why.
readonly failing_lines='^\[ *FAILED *\]|: Failure|C\+\+ exception|^ *(what|Which|Expected|Actual|The difference)|[Ee]rror|ERROR SUMMARY: [1-9]|terminate called|Traceback|^FAIL|Segmentation|========= (Invalid|Race|Error|Program hit)'

# check NAME SECONDS COMMAND...: one test with a time limit. Prints one line, the test's own summary
# ("= ..." lines), and what failed.
check() {
  local name=$1 limit=$2 began=$SECONDS status=0 verdict=passed
  local log=$logs/${name//[^A-Za-z0-9]/-}.log
  shift 2
  ran=$((ran + 1))
  timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
  case $status in
    0)
      # No test that fits, or each one skipped, is no success.
      if grep -qaE '^\[  PASSED  \] 0 tests' "$log"; then
        status=1
        verdict="FAILED: nothing ran"
      fi
      ;;
    124 | 137) verdict="FAILED: stopped after $limit s" ;;
    *) verdict="FAILED: exit status $status" ;;
  esac
  printf '%-34s %4d s  %s' "$name" $((SECONDS - began)) "$verdict"
  # GoogleTest's own count: programs that skip everything should be seen.
  local counts
  counts=$(grep -aE '^\[  (PASSED|SKIPPED)  \] [0-9]+ test' "$log" |
    sed -E 's/^\[  ([A-Z]+)  \] ([0-9]+) test.*/\2 \1/' | tr 'A-Z\n' 'a-z ')
  printf '%s\n' "${counts:+  (${counts% })}"
  grep -a '^= ' "$log" | tail -n 40 | sed 's/^/    /'
  if ((status != 0)); then
    failures+=("$name")
    grep -aE "$failing_lines" "$log" | head -n 25 | cut -c 1-300 | sed 's/^/    /'
    printf '    ... the last lines of %s:\n' "$log"
    tail -n 6 "$log" | cut -c 1-300 | sed 's/^/    | /'
  fi
}

# check_program NAME SECONDS PROGRAM ARGUMENT...: `check` of a program of the build.
check_program() {
  local name=$1 limit=$2 path
  path=$(program "$3")
  shift 3
  if [[ -z $path ]]; then
    missing "$name"
    return
  fi
  check "$name" "$limit" "$path" "$@"
}

missing() {
  printf '%-34s         FAILED: its program is not in %s\n' "$1" "$build"
  ran=$((ran + 1))
  failures+=("$1")
}

# ---- several ranks on one GPU -------------------------------------------------------------------
# Without the Multi-Process Service a GPU switches between processes, and every collective takes tens
# of milliseconds.
mps_is_ours=no
start_mps() {
  [[ $mps_is_ours == no ]] || return 0
  if ! command -v nvidia-cuda-mps-control >/dev/null; then
    warn "nvidia-cuda-mps-control is not there: several ranks on one GPU will be slow"
    return 0
  fi
  export CUDA_MPS_PIPE_DIRECTORY=${CUDA_MPS_PIPE_DIRECTORY:-/tmp/nvidia-mps}
  if [[ -e $CUDA_MPS_PIPE_DIRECTORY/control ]] &&
    echo get_server_list | timeout 5 nvidia-cuda-mps-control >/dev/null 2>&1; then
    return 0 # someone else's
  fi
  export CUDA_MPS_LOG_DIRECTORY=$logs/mps
  mkdir -p "$CUDA_MPS_LOG_DIRECTORY"
  if nvidia-cuda-mps-control -d >"$logs/mps.log" 2>&1; then
    mps_is_ours=yes
  else
    warn "NVIDIA MPS did not start ($(head -n 1 "$logs/mps.log")): several ranks on one GPU will be slow"
  fi
}
stop_mps() {
  [[ $mps_is_ours == yes ]] || return 0
  echo quit | timeout 20 nvidia-cuda-mps-control >>"$logs/mps.log" 2>&1 || true
  mps_is_ours=no
}
trap stop_mps EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- parts --------------------------------------------------------------------------------------
part_kernels() {
  check_program "ops" 280 compute_test --gtest_filter='*cuda*'
  check_program "choosing a GPU" 60 device_test
  local extra
  for extra in gemm_cache_test gemm_test attention_engine_test nccl_environment_test; do
    [[ -z $(program "$extra") ]] || check_program "$extra" 120 "$extra"
  done
}

part_nccl() {
  local path n
  path=$(program nccl_communicator_test)
  [[ -n $path ]] || missing nccl
  for n in $rank_counts; do
    [[ -n $path ]] || continue
    if ((n > gpu_count)); then start_mps; fi
    check "nccl, $n ranks" 120 mpirun -n "$n" "$path"
  done
  stop_mps
}

part_golden() {
  local attention
  for attention in flash cudnn; do
    LONGHAUL_TEST_BACKEND=cuda LONGHAUL_TEST_ATTENTION=$attention \
      check_program "golden, attention $attention" 150 model_golden_test
  done
}

part_layouts() {
  local path n
  path=$(program layout_test)
  [[ -n $path ]] || missing layouts
  for n in $rank_counts; do
    [[ -n $path ]] || continue
    if ((n > gpu_count)); then start_mps; fi
    # An exception on one rank ends the job, rather than leave the others waiting.
    LONGHAUL_TEST_BACKEND=cuda GTEST_CATCH_EXCEPTIONS=0 \
      check "layouts, $n ranks" $((120 + 60 * n)) mpirun -n "$n" "$path"
  done
  stop_mps
}

part_compare() {
  LONGHAUL_TEST_BACKEND=cuda OMP_NUM_THREADS=$(nproc) OPENBLAS_NUM_THREADS=$(nproc) \
    check_program "CPU against GPU" 500 cpu_vs_cuda_test
}

# check_script NAME SECONDS FILE ARGUMENT...: a Python script that runs the program.
check_script() {
  local name=$1 limit=$2 script=$3 longhaul
  shift 3
  longhaul=$(program longhaul)
  if [[ -z $longhaul ]]; then
    missing "$name"
    return
  fi
  PYTHONUNBUFFERED=1 check "$name" "$limit" python3 "$tests/gpu/$script" --longhaul "$longhaul" "$@"
}

part_curve() {
  check_script "curve" 500 finetune_vs_transformers.py --output "$logs/curve" --cpu_steps 100
}

part_interchange() {
  check_script "interchange" 200 checkpoint_interchange.py
}

part_sanitize() {
  local path tool
  path=$(program compute_test)
  if [[ -z $path ]]; then
    missing sanitize
    return
  fi
  # Our own kernels: the libraries' are not ours to mend. Asking for too much memory is meant to fail.
  for tool in memcheck racecheck; do
    LONGHAUL_TEST_TIMING=off check "$tool" 280 compute-sanitizer --tool "$tool" --error-exitcode 9 --report-api-errors no \
      "$path" --gtest_filter='*cuda_flash*-*LinearTest*:*DeterminismTest*:*TooMuch*'
  done
}

say "$gpus"
began=$SECONDS
for part in "${parts[@]}"; do
  printf '\n== %s ==\n' "$part"
  part_began=$SECONDS
  "part_$part"
  say "$part: $(human_seconds $((SECONDS - part_began)))"
done

printf '\n'
if ((${#failures[@]} > 0)); then
  say "FAILED: ${#failures[@]} of $ran in $(human_seconds $((SECONDS - began))):"
  printf '  %s\n' "${failures[@]}"
  exit 1
fi
say "All $ran passed in $(human_seconds $((SECONDS - began)))."
