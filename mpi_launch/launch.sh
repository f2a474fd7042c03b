#!/usr/bin/env bash
# Trains any supported model on several hosts; --help says how.
set -euo pipefail

# shellcheck source=mpi_launch/lib/launch_main.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/launch_main.sh"

set_common_defaults
launch_main "${BASH_SOURCE[0]}" "$@"
