#!/usr/bin/env bash
# Runs on this machine's GPUs, or on those of a Slurm allocation, all that could not be run where Terramill was written,
# and writes one report; see --help and docs/gpu.md.
#
#   jobs/gpu-acceptance.sh --output FOLDER [OPTION]…
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
if [[ ! -x $TERRAMILL_PYTHON ]]; then
  echo "gpu-acceptance: there is no Python at \$TERRAMILL_PYTHON; jobs/setup.sh makes one" >&2
  exit 2
fi
export TERRAMILL_SOURCE_DIR=$here/.. PYTHONPATH=$here/../tests
exec "$TERRAMILL_PYTHON" "$here/../tests/acceptance/gpu.py" "$@"
