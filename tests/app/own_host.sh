#!/usr/bin/env bash
# own_host.sh PROGRAM [ARGUMENTS]: runs a rank of mpirun as if it were on a host of its own: in its own
# mount and UTS namespaces, called node<rank>. The file LONGHAUL_HOSTS/<rank>, when there is one, is
# sourced there first: it may mount what it likes, call the host otherwise (hostname), export
# variables, and change the command (an array).
set -euo pipefail

inside() {
  hostname "node$OMPI_COMM_WORLD_RANK"
  command=("$@")
  if [[ -f $LONGHAUL_HOSTS/$OMPI_COMM_WORLD_RANK ]]; then
    # shellcheck disable=SC1090
    source "$LONGHAUL_HOSTS/$OMPI_COMM_WORLD_RANK"
  fi
  exec "${command[@]}"
}

if [[ ${1-} == --inside ]]; then
  shift
  inside "$@"
fi
exec unshare --mount --uts --propagation private "$0" --inside "$@"
