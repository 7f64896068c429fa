#!/usr/bin/env bash
# An installed terramill runs from another folder, in an empty environment, and knows its version.
set -euo pipefail
build=$(dirname "${TERRAMILL_BIN_DIR:?set by CTest}")
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >"$prefix/install.log"
cd "$prefix"
clean=(env -i HOME="$prefix" PATH=/usr/bin:/bin OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
"${clean[@]}" bin/terramill --version | grep -x 'terramill [0-9.]*'
"${clean[@]}" bin/terramill doctor --json | grep -q '"LibTorch"'
if ldd bin/terramill | grep 'not found'; then exit 1; fi
