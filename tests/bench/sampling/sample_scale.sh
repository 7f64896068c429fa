#!/bin/sh
# Time and memory of sampling at scale: an index-only corpus of 18.7 million invented tiles, sampled on 1, 2 and 4 ranks:
#
#   tests/bench/sampling/sample_scale.sh [TILES] [BUILD_DIRECTORY] [INDEX]
#
# Defaults: 18700000, build/release, an index in $TMPDIR that is removed afterwards; an INDEX that is given is kept, and
# made only when missing. Prints seconds per phase (the slowest rank) and the peak resident memory of the largest rank, in all
# and beyond what the program and its libraries took before, and checks that every run wrote the same bytes.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
tiles=${1:-18700000}
bin=${2:-$root/build/release}/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
index=${3:-$scratch/index}
export OMP_NUM_THREADS=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

if [ ! -e "$index/manifest.json" ]; then
  echo "inventing an index of $tiles tiles"
  "$bin/terramill" corpus synth --index-only --output "$index" --tiles "$tiles" --seed 1
fi
cat "$index/index.h5" > /dev/null # the page cache holds it for every run

printf '%-10s %5s %8s %8s %8s %8s %8s %10s %10s\n' plan ranks read select shuffle write total "peak MiB" "above start"
for plan in landcover natural; do
  case $plan in
    landcover) options="--strategy landcover --tiles 1200000" ;;
    natural) options="--strategy natural" ;;
  esac
  for ranks in 1 2 4; do
    # shellcheck disable=SC2086
    mpirun --oversubscribe -n "$ranks" "$bin/terramill" sample --corpus "$index" $options --split all --seed 1 \
      --output "$scratch/$plan-$ranks.h5" --json > "$scratch/$plan-$ranks.json"
    python3 - "$scratch/$plan-$ranks.json" "$plan" "$ranks" << 'EOF'
import json, sys
result = json.load(open(sys.argv[1]))
seconds = result["seconds"]
phases = [seconds[name] for name in ("read", "select", "shuffle", "write")]
print("%-10s %5s" % (sys.argv[2], sys.argv[3]), *("%8.2f" % value for value in phases + [sum(phases)]),
      "%10.0f" % (result["peak_memory_bytes"] / 2**20),
      "%11.0f" % ((result["peak_memory_bytes"] - result["memory_at_start_bytes"]) / 2**20))
EOF
    cmp "$scratch/$plan-1.h5" "$scratch/$plan-$ranks.h5"
  done
done
echo "the plans are the same bytes for 1, 2 and 4 ranks"
