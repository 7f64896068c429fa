#!/usr/bin/env bash
# Draws faults, hits supervised runs and builds with them, and checks every end; see --help.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHONPATH=$here/..${PYTHONPATH:+:$PYTHONPATH} exec bash "$here/../support/python.sh" "$here/draw.py" "$@"
