#!/bin/sh
# Loader rate against the pure inflate limit, on an invented corpus:
#
#   tests/bench/loader/loader_rate.sh [TILES] [BUILD_DIRECTORY]      default 600, build/release
#
# Scratch data go to $TMPDIR and are removed.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
tiles=${1:-600}
bin=${2:-$root/build/release}/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
"$bin/terramill" corpus synth --output "$scratch/raw" --tiles "$tiles" --seed 1
"$bin/terramill" corpus build --source mmearth-tiles --input "$scratch/raw" --output "$scratch/corpus"
"$bin/bench_loader_rate" "$scratch/corpus" 1 2
