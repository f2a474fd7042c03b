#!/usr/bin/env bash
# read_tensorboard_events.sh WRITER: runs the writer and checks its files with TensorBoard's reader.
set -euo pipefail

readonly skipped=77
if [[ -z "${LONGHAUL_PYTHON:-}" ]]; then
  echo "skipped: LONGHAUL_PYTHON is not set; tests/run.sh makes an interpreter with tensorboard"
  exit "$skipped"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" "$folder"
"$LONGHAUL_PYTHON" "$(dirname "$0")/read_tensorboard_events.py" "$folder"
