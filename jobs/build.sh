#!/usr/bin/env bash
# Configures and builds a preset; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"

usage() {
  cat <<TEXT
usage: jobs/build.sh [--preset P] [--jobs N] [--target T]...

Builds preset P of CMakePresets.json (release) into build/P, the programs into build/P/bin. Run jobs/setup.sh before.

  --preset P   release, dev, asan, tsan or cuda
  --jobs N     compilers at once (default: as many as cores and memory allow, 2 GB each)
  --target T   build T alone; may be repeated (default: everything)

Compiled objects are kept in $CCACHE_DIR (at most $CCACHE_MAXSIZE) where ccache is installed.
TEXT
}

preset=release jobs='' targets=()
while (($#)); do
  case $1 in
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift 2 ;;
    --target) targets+=(--target "${2:?--target needs a name}"); shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) echo "build: unknown option \"$1\"; see --help" >&2; exit 2 ;;
  esac
done

if [[ -z $TERRAMILL_TORCH_DIR ]]; then
  echo "build: LibTorch is not here. Run jobs/setup.sh first, or set TERRAMILL_TORCH_DIR." >&2
  exit 2
fi
if [[ -z $jobs ]]; then
  # nproc would answer OMP_NUM_THREADS, which env.sh sets.
  jobs=$(env -u OMP_NUM_THREADS nproc)
  fitting=$(awk '/^MemAvailable/ { print int($2 / 2000000) }' /proc/meminfo)
  ((fitting >= jobs)) || jobs=$((fitting > 1 ? fitting : 1))
fi

cd "$here/.."
cmake --preset "$preset" -DTERRAMILL_TORCH_DIR="$TERRAMILL_TORCH_DIR"
cmake --build --preset "$preset" --parallel "$jobs" "${targets[@]}"
echo "build: build/$preset is built, its programs are in build/$preset/bin"
