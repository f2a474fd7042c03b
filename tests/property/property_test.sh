#!/usr/bin/env bash
# property_test.sh ARGUMENT...: property_test.py with the interpreter that LONGHAUL_PYTHON names.
set -euo pipefail

readonly skipped=77
if [[ -z "${LONGHAUL_PYTHON:-}" ]]; then
  echo "skipped: LONGHAUL_PYTHON is not set; tests/run.sh makes an interpreter with jinja2 and tokenizers"
  exit "$skipped"
fi
"$LONGHAUL_PYTHON" "$(dirname "$0")/property_test.py" "$@"
