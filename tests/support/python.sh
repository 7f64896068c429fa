#!/usr/bin/env bash
# Runs a Python test with the interpreter that jobs/setup.sh prepared, or skips it, saying why.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../jobs/env.sh"
if [[ ! -x $TERRAMILL_PYTHON ]]; then
  echo "SKIPPED: there is no Python at \$TERRAMILL_PYTHON; jobs/setup.sh makes one"
  exit 77
fi
# Where PyTorch's compiler makes a folder as soon as it is imported; else in the temporary folder.
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$HOME/.cache/terramill/torchinductor}
exec "$TERRAMILL_PYTHON" "$@"
