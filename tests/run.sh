#!/usr/bin/env bash
# Builds Longhaul and runs its tests.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=mpi_launch/lib/dependencies.sh
source "$tests/../mpi_launch/lib/dependencies.sh"

usage() {
  cat <<'TEXT'
Usage: bash tests/run.sh [--fast | --label L] [--preset P] [--build-only] [--no-python]
                         [--junit FILE] [-- CTEST_ARGUMENT...]

Installs what is missing (Debian packages; as root, otherwise it says how), makes a Python virtual
environment in build/venv for the tests that read our files with other tools, builds, and runs the
tests: those labelled "fast" first, then all others.

  --fast        only the tests labelled fast; builds only what they need
  --label L     only the tests whose label matches the regular expression L
  --preset P    release (default), cpu (without the CUDA backend), debug or sanitize
  --build-only  build, run nothing
  --no-python   make no virtual environment; tests that need it are skipped
  --junit FILE  also write results as JUnit XML (the first group to FILE, others to FILE.2)
  --help        print this text

Everything after -- goes to ctest. LONGHAUL_CMAKE_ARGS goes to cmake, as in
  LONGHAUL_CMAKE_ARGS=-DLONGHAUL_WERROR=ON bash tests/run.sh
TEXT
}

preset=release
label=
build_only=no
python=yes
junit=
while (($# > 0)); do
  case $1 in
    --fast) label='^fast$' ;;
    --label | --preset | --junit)
      (($# >= 2)) || fail 2 "$1 needs a value; --help shows how"
      case $1 in
        --label) label=$2 ;;
        --preset) preset=$2 ;;
        --junit) junit=$(realpath -m "$2") ;;
      esac
      shift
      ;;
    --build-only) build_only=yes ;;
    --no-python) python=no ;;
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
case $preset in
  release | cpu | debug | sanitize) ;;
  *) fail 2 "--preset $preset: choose release, cpu, debug or sanitize" ;;
esac

readonly build=$LONGHAUL_ROOT/build/$preset
readonly venv=$LONGHAUL_ROOT/build/venv
readonly requirements=$tests/requirements.txt
began=$SECONDS

# The environment is made once; a file inside says what for.
make_virtual_environment() {
  if cmp -s "$requirements" "$venv/made-from.txt"; then
    return
  fi
  say "Making the Python environment $venv"
  local log=$LONGHAUL_ROOT/build/venv.log
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -rf "$venv"
    fail 1 "the Python environment could not be made (--no-python goes on without); see $log"
  fi
  cp "$requirements" "$venv/made-from.txt"
}

say "Packages"
packages=()
if [[ $python == yes ]]; then packages+=(python3 python3-venv); fi
# The tests of the launchers start sshd and Slurm's daemons themselves. Where an init system runs, these
# packages would start them for the whole machine: there only its owner installs them.
if ((EUID == 0)) && [[ ! -d /run/systemd/system ]]; then
  packages+=(openssh-server openssh-client iproute2 slurm-wlm munge)
fi
require_packages ${packages[@]+"${packages[@]}"}
mkdir -p "$LONGHAUL_ROOT/build"
if [[ $python == yes && $build_only == no ]]; then
  make_virtual_environment
  export LONGHAUL_PYTHON=$venv/bin/python
fi

say "Building ($preset)"
build_began=$SECONDS
target=all
if [[ $label == '^fast$' ]]; then target=fast_tests; fi
configure_and_build "$preset" "$LONGHAUL_ROOT/build/$preset-build.log" "$target"
say "Built in $(human_seconds $((SECONDS - build_began)))"
if [[ $build_only == yes ]]; then
  exit 0
fi

set_mpi_environment
if [[ $preset == sanitize ]]; then
  export UBSAN_OPTIONS=print_stacktrace=1
  # Some tests preload a library into ranks, which comes before the sanitizer's own then.
  export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:verify_asan_link_order=0
  # Open MPI keeps memory until the process ends, and unloads the plug-ins that asked for it, so that
  # no suppression can name them. Leaks are therefore looked for in every process but MPI ranks:
  # mpirun hands this list of variables to them.
  export OMPI_MCA_mca_base_env_list=ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
fi

groups=0
failed_groups=0
# run_group NAME CTEST_ARGUMENT...
run_group() {
  local name=$1 group_began=$SECONDS
  shift
  groups=$((groups + 1))
  local report=()
  if [[ -n $junit ]]; then
    local file=$junit
    ((groups == 1)) || file=$junit.$groups
    report=(--output-junit "$file")
  fi
  printf '\n== %s ==\n' "$name"
  if ! ctest --test-dir "$build" --output-on-failure --no-tests=error --parallel 2 \
    ${report[@]+"${report[@]}"} "$@"; then
    failed_groups=$((failed_groups + 1))
  fi
  say "$name: $(human_seconds $((SECONDS - group_began)))"
}

if [[ -n $label ]]; then
  run_group "Tests labelled $label" -L "$label" "$@"
else
  run_group "Fast tests" -L '^fast$' "$@"
  run_group "All other tests" -LE '^fast$' "$@"
fi

printf '\n'
if ((failed_groups > 0)); then
  say "FAILED in $(human_seconds $((SECONDS - began))): the failed tests are listed above," \
    "and in $build/Testing/Temporary/LastTestsFailed.log"
  exit 1
fi
say "All tests passed in $(human_seconds $((SECONDS - began)))."
