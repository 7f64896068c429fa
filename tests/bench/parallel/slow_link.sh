#!/usr/bin/env bash
# How much of the communication over a slow link is hidden; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
source "$root/jobs/env.sh"
rate=1gbit steps=6 tiles=400 config=$here/bench_terrafm.ini folder=$root/build/slow-link more=()

usage() {
  cat <<TEXT
usage: tests/bench/parallel/slow_link.sh [--rate R] [--steps N] [--tiles N] [--config F.ini] [--folder F] [-- PRETRAIN OPTION...]

Pretrains on two nodes, namespaces of tests/cluster/cluster.sh, between which a token bucket (tc) lets R through in each
direction, and reads from the merged trace how much of the communication went on beside computing.

In a step of a rank, of the collectives that reduce buckets of gradients:

  communication   the time in which one is under way: from when the last rank has begun it to its end here
  hidable         the part that the backward pass of the last micro-batch has room for: the smaller of communication and
                  of the time from the first bucket's being full to the end of that backward pass
  hidden          the part in which this rank's training thread computes, at most the hidable

The share printed is the sum of hidden over that of hidable, over all ranks and traced steps. The link's own rate, as the
all-reduce of \`terramill bench link\` sees it, is printed before.

  --rate R       of tc's token bucket (1gbit)
  --steps N      traced steps (6), after two that are not
  --tiles N      invented tiles of 64 pixels (400)
  --config F.ini TerraFM-small of 34 million parameters (bench_terrafm.ini beside this script)
  --folder F     keeps corpus, run and trace (build/slow-link); the run is made anew

Needs root, Slurm and iproute2.
TEXT
}

while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --) shift; more=("$@"); break ;;
    --rate) rate=$2 ;;
    --steps) steps=$2 ;;
    --tiles) tiles=$2 ;;
    --config) config=$2 ;;
    --folder) folder=$2 ;;
    *) echo "slow_link: unknown option \"$1\"; see --help" >&2; exit 2 ;;
  esac
  shift 2
done

mkdir -p "$folder"
folder=$(realpath "$folder")
if [[ ! -e $folder/corpus/manifest.json ]]; then
  mpirun -n 2 terramill corpus synth --output "$folder/raw" --tiles "$tiles" --seed 1 >/dev/null
  mpirun -n 2 terramill corpus build --source mmearth-tiles --input "$folder/raw" --output "$folder/corpus" >/dev/null
fi
rm -rf "$folder/run"

export TERRAMILL_CLUSTER=tmlink$$
cluster=$root/tests/cluster/cluster.sh
trap '"$cluster" down' EXIT
"$cluster" up --nodes 2
for node in n1 n2; do
  tc -n "$TERRAMILL_CLUSTER-$node" qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 100ms
done
on_nodes() { "$cluster" run srun --mpi=pmix --nodes=2 --ntasks-per-node=1 "$@"; }

on_nodes terramill bench link --max-bytes 16777216 --repeat 3 --output "$folder/link.jsonl" >/dev/null
"$TERRAMILL_PYTHON" - "$folder/link.jsonl" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
largest = max((line for line in lines if line["collective"] == "all-reduce"), key=lambda line: line["bytes"])
print(f"all-reduce of {largest['bytes'] / 2**20:.0f} MiB: {8e-9 * largest['bytes_per_second']:.2f} Gbit/s over the link")
PYTHON
on_nodes terramill pretrain --config "$config" --corpus "$folder/corpus" --output "$folder/run" --train.steps $((steps + 2)) \
  --train.warmup_steps 0 --train.validation_tiles 0 --checkpoint.every 0 --trace --trace.begin 2 --trace.steps "$steps" "${more[@]}"
"$TERRAMILL_PYTHON" "$here/overlap.py" "$folder/run/trace/trace.json"
