#!/usr/bin/env bash
# Fine-tunes all parameters of Qwen2.5-72B-Instruct on agent conversations; --help says how.
set -euo pipefail

# shellcheck source=mpi_launch/lib/launch_main.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/launch_main.sh"

set_common_defaults
OPTION+=([micro_bs]=4 [global_bs]=32 [tensor_model_parallel_size]=8 [context_parallel_size]=8)
launch_main "${BASH_SOURCE[0]}" "$@"
