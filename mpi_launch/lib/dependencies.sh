# shellcheck shell=bash
# Functions for the scripts of this project; source it, then call what is needed:
#   require_packages [PACKAGE...]   the packages of a build, plus those named
#   configure_and_build PRESET LOG TARGET...
#   fetch_cudnn_frontend            headers for attention through cuDNN, where there is a cuDNN
#   has_gpu, find_nvcc              what the CUDA backend runs on, and is built with
#   set_mpi_environment             Open MPI on one host with more ranks than cores
#   say, warn, fail                 messages

# The one list of Debian packages that building and running Longhaul needs.
readonly LONGHAUL_PACKAGES=(
  g++ cmake ninja-build pkg-config ccache
  openmpi-bin libopenmpi-dev
  libhdf5-dev hdf5-tools
  libopenblas-openmp-dev
  libboost-program-options-dev nlohmann-json3-dev libfmt-dev libspdlog-dev libisal-dev
  zlib1g-dev libzstd-dev libssl-dev
  libgtest-dev
)

LONGHAUL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly LONGHAUL_ROOT

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
# fail CODE TEXT: 2 is for what the user can mend, as in the longhaul program.
fail() {
  local code=$1
  shift
  printf 'error: %s\n' "$*" >&2
  exit "$code"
}

# human_seconds SECONDS -> "1 min 05 s"
human_seconds() {
  local seconds=$1
  if ((seconds < 60)); then
    printf '%d s' "$seconds"
  else
    printf '%d min %02d s' $((seconds / 60)) $((seconds % 60))
  fi
}

missing_packages() {
  local package
  for package in "$@"; do
    # A package that is known but removed reports "deinstall ok config-files".
    if [[ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" != "install ok installed" ]]; then
      printf '%s\n' "$package"
    fi
  done
}

# Installs what is missing, or says how and stops.
require_packages() {
  local wanted=("${LONGHAUL_PACKAGES[@]}" "$@")
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    warn "this is no Debian system: make sure that the equivalents of these packages are there:"
    warn "  ${wanted[*]}"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]} == 0)); then
    return
  fi
  if ((EUID != 0)); then
    say "These Debian packages are missing: ${missing[*]}" >&2
    say "Install them with" >&2
    say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    say "and run this script again." >&2
    exit 2
  fi
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  local log
  log=$(mktemp)
  # The lock may be held by the system's own nightly update: wait for it.
  if ! { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 update &&
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
      install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail 2 "apt-get could not install them; its last lines are above"
  fi
  rm -f "$log"
}

# As many compilers at once as there are cores, and no more than memory allows (1.5 GiB each).
build_jobs() {
  local jobs memory_kib by_memory
  jobs=$(nproc)
  memory_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || true)
  if [[ -n "$memory_kib" ]]; then
    by_memory=$((memory_kib / 1572864))
    ((by_memory >= 1)) || by_memory=1
    ((jobs <= by_memory)) || jobs=$by_memory
  fi
  printf '%d' "$jobs"
}

# Turns Ninja's "[12/345] ..." lines into a counter: redrawn on a terminal, else every tenth part.
show_build_progress() {
  local line shown=-1 drawn=no
  while IFS= read -r line; do
    if [[ "$line" =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
      local at=${BASH_REMATCH[1]} of=${BASH_REMATCH[2]}
      if [[ -t 1 ]]; then
        printf '\r\033[2K  compiling %d of %d' "$at" "$of"
        drawn=yes
      elif ((of >= 40 && at * 10 / of != shown)); then
        shown=$((at * 10 / of))
        say "  compiling $at of $of"
      fi
    fi
  done
  if [[ "$drawn" == yes ]]; then
    printf '\r\033[2K'
  fi
}

# The headers that attention through cuDNN is built with. They change what is measured, so their
# version is fixed; any from 1.14 on has been seen to compile.
readonly CUDNN_FRONTEND_VERSION=1.32.0

has_gpu() { compgen -G '/dev/nvidia[0-9]*' >/dev/null; }

# Prints the CUDA compiler's path; fails where there is none.
find_nvcc() { command -v "${CUDACXX:-nvcc}" || command -v /usr/local/cuda/bin/nvcc; }

has_cudnn_headers() {
  local nvcc=$1 folder
  for folder in "${CUDNN_HOME:+$CUDNN_HOME/include}" "$(dirname "$nvcc")/../include" /usr/local/cuda/include \
    /usr/local/include /usr/include "/usr/include/$(uname -m)-linux-gnu"; do
    if [[ -n "$folder" && -f "$folder/cudnn.h" ]]; then
      return 0
    fi
  done
  return 1
}

# Puts cudnn_frontend.h under build/cudnn-frontend/include, unless it is there. It is on PyPI inside a
# wheel of which only the headers are kept; the wheel's Python version does not matter. Without it
# attention uses our own kernel, so nothing here stops a build.
fetch_cudnn_frontend() {
  local target=$LONGHAUL_ROOT/build/cudnn-frontend
  local nvcc
  if [[ -f "$target/include/cudnn_frontend.h" ]]; then
    return 0
  fi
  nvcc=$(find_nvcc) || return 0
  local without="attention on the GPU will use our own kernel, which is slower"
  if ! has_cudnn_headers "$nvcc"; then
    warn "no cudnn.h: $without"
    return 0
  fi
  if ! command -v python3 >/dev/null || ! python3 -m pip --version >/dev/null 2>&1; then
    warn "no python3 with pip to fetch cudnn-frontend with: $without"
    return 0
  fi
  local work log
  mkdir -p "$LONGHAUL_ROOT/build"
  work=$(mktemp -d "$LONGHAUL_ROOT/build/cudnn-frontend.XXXXXX")
  log=$work/log
  if python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 15 --no-deps \
    --only-binary :all: --implementation cp --python-version 3.11 --abi cp311 \
    --platform "manylinux_2_28_$(uname -m)" --dest "$work" \
    "nvidia-cudnn-frontend==$CUDNN_FRONTEND_VERSION" >"$log" 2>&1 &&
    python3 - "$work" >>"$log" 2>&1 <<'EOT'; then
import glob, sys, zipfile

[wheel] = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    headers = [name for name in archive.namelist() if name.startswith("include/")]
    assert "include/cudnn_frontend.h" in headers, wheel
    archive.extractall(sys.argv[1] + "/headers", headers)
EOT
    # Whole or not at all: a build that is interrupted here starts over.
    rm -rf "$target"
    mv "$work/headers" "$target"
  else
    warn "cudnn-frontend $CUDNN_FRONTEND_VERSION could not be fetched from PyPI ($(tail -n 1 "$log")): $without"
  fi
  rm -rf "$work"
}

# configure_and_build PRESET LOG TARGET...: everything the tools say goes to LOG; TARGET "all" builds
# everything. CMake arguments may be added in LONGHAUL_CMAKE_ARGS.
configure_and_build() {
  local preset=$1 log=$2
  shift 2
  local extra=()
  read -ra extra <<<"${LONGHAUL_CMAKE_ARGS:-}"
  mkdir -p "$(dirname "$log")"
  : >"$log"
  case $preset in
    release | debug) fetch_cudnn_frontend ;;  # the others have no CUDA backend
  esac
  if ! (cd "$LONGHAUL_ROOT" && cmake --preset "$preset" ${extra[@]+"${extra[@]}"}) >>"$log" 2>&1; then
    tail -n 30 "$log" >&2
    fail 1 "CMake could not configure the build; the whole log is $log"
  fi
  # pipefail: a failed build makes the pipe fail.
  if ! cmake --build "$LONGHAUL_ROOT/build/$preset" -j "$(build_jobs)" --target "$@" 2>&1 |
    tee -a "$log" | show_build_progress; then
    grep -E -A 12 'FAILED:|error:' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
    fail 1 "the build failed; the whole log is $log"
  fi
}

# More ranks than cores on one host: ranks that wait must give their core away, else a step takes
# hundreds of times longer; binding would put several ranks on one core.
set_mpi_environment() {
  if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  export OMPI_MCA_rmaps_base_oversubscribe=1
  export OMPI_MCA_hwloc_base_binding_policy=none
  export OMPI_MCA_mpi_yield_when_idle=1
  export OMPI_MCA_btl_vader_single_copy_mechanism=none
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-$OMP_NUM_THREADS}
}
