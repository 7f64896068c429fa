#!/bin/sh
# What a build costs against reading and compressing the same tiles, on invented raw tiles:
#
#   tests/bench/corpus/corpus_build.sh [TILES] [BUILD_DIRECTORY]      default 1000, build/release
#
# Scratch data go to $TMPDIR and are removed.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
tiles=${1:-1000}
bin=${2:-$root/build/release}/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
"$bin/terramill" corpus synth --output "$scratch/raw" --tiles "$tiles" --seed 1
"$bin/bench_corpus_build" "$scratch/raw" "$scratch"
