#!/usr/bin/env bash
# Weak scaling on two ranks of one thread against two runs that know nothing of each other; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
source "$root/jobs/env.sh"
pairs=5 steps=5 warmup=2 tiles=400 folder=$root/build/weak-scaling more=()

usage() {
  cat <<TEXT
usage: tests/bench/parallel/weak_scaling.sh [--pairs N] [--steps N] [--warmup N] [--tiles N] [--folder F] [-- BENCH OPTION...]

For bench_terrafm.ini (TerraFM-small, 34 million parameters) and bench_mpmae.ini (MP-MAE atto) beside this script, N times in
turn:

  together   mpirun -n 2 terramill bench: two replicas of two micro-batches each, gradients reduced over both
  apart      two single ranks of the same two micro-batches, started at the same time, each by itself

and the ratio of their images per second: the sum of both runs apart is the limit, since they share memory and caches as
the two replicas do but wait for nobody. Rates are those of the median step. Prints each pair and, for each model, the
median of the ratios.

  --pairs N    measurements of each way (5); their order alternates
  --steps N    measured steps of each (5)
  --warmup N   steps before them (2)
  --tiles N    invented tiles of 64 pixels (400)
  --folder F   keeps corpus and points (build/weak-scaling)

One thread per rank, and a thread of the loader; a machine of two cores that does nothing else.
TEXT
}

while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --) shift; more=("$@"); break ;;
    --pairs) pairs=$2 ;;
    --steps) steps=$2 ;;
    --warmup) warmup=$2 ;;
    --tiles) tiles=$2 ;;
    --folder) folder=$2 ;;
    *) echo "weak_scaling: unknown option \"$1\"; see --help" >&2; exit 2 ;;
  esac
  shift 2
done
for number in "$pairs" "$steps" "$tiles"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "weak_scaling: \"$number\" is no whole number above 0" >&2; exit 2; }
done

mkdir -p "$folder"
if [[ ! -e $folder/corpus/manifest.json ]]; then
  mpirun -n 2 terramill corpus synth --output "$folder/raw" --tiles "$tiles" --seed 1 >/dev/null
  mpirun -n 2 terramill corpus build --source mmearth-tiles --input "$folder/raw" --output "$folder/corpus" >/dev/null
fi

measure() {  # measure RANKS POINTS CONFIG
  local launch=()
  (($1 == 1)) || launch=(mpirun -n "$1")
  rm -f "$2"
  "${launch[@]}" terramill bench --config "$3" --corpus "$folder/corpus" --output "$2" --bench.scaling weak \
    --bench.weak_micro_batches 2 --bench.repeat 1 --bench.steps "$steps" --bench.warmup "$warmup" "${more[@]}" >/dev/null 2>"$2.log" ||
    { cat "$2.log" >&2; return 1; }
}
together() { measure 2 "$folder/$1-together-$2.jsonl" "$here/bench_$1.ini"; }
apart() {
  local first
  measure 1 "$folder/$1-apart-a-$2.jsonl" "$here/bench_$1.ini" &
  first=$!
  measure 1 "$folder/$1-apart-b-$2.jsonl" "$here/bench_$1.ini"
  wait "$first"
}

for model in terrafm mpmae; do
  for ((pair = 0; pair < pairs; ++pair)); do
    if ((pair % 2 == 0)); then together $model $pair; apart $model $pair; else apart $model $pair; together $model $pair; fi
  done
  "$TERRAMILL_PYTHON" - "$folder" $model "$pairs" <<'PYTHON'
import json, pathlib, statistics, sys
folder, model, pairs = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def rate(way, pair):
    point = json.loads((folder / f"{model}-{way}-{pair}.jsonl").read_text())
    return point["global_batch"] / statistics.median(point["step_seconds"]), point["parameters"]
ratios = []
for pair in range(pairs):
    (both, parameters), (a, _), (b, _) = (rate(way, pair) for way in ("together", "apart-a", "apart-b"))
    ratios.append(both / (a + b))
    print(f"{model}, pair {pair}: {both:.2f} images/s together, {a:.2f} + {b:.2f} apart: {ratios[-1]:.3f}")
print(f"{model}, {parameters / 1e6:.1f} M parameters: 2 ranks reach {statistics.median(ratios):.3f} of two independent runs "
      f"(median of {pairs}, {min(ratios):.3f} to {max(ratios):.3f})")
PYTHON
done
