#!/usr/bin/env bash
# What both models learn from the real tiles in the shared data; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
source "$root/jobs/env.sh"
shared=${TERRAMILL_SHARED:-$root/../shared}
minutes=4
folder=$root/build/real-chips

usage() {
  cat <<TEXT
usage: tests/bench/learning/real_chips.sh [--minutes N] [FOLDER]

Pretrains TerraFM and MP-MAE on every unlabelled real tile of the shared data and tests their features on EuroSAT:

  1. build a corpus of 64-pixel tiles from each of multimodal, majortom_s2l2a, ssl4eo_s12, bigearthnet_pairs (its labels
     are not used) and eurosat_ms, by the mappings of data-prep/
  2. join the first four, and verify the result
  3. pretrain both models on it (real_terrafm.ini, real_mpmae.ini beside this script), seed 1
  4. eval knn and eval linear on EuroSAT: 30 % of its chips are the test, by hash (--test-share 0.3 --split-seed 1)

--minutes N  length of each pretraining (4), in steps: 150 of TerraFM and 100 of MP-MAE to the minute, which a core did
             in 57 s; so the result does not depend on the machine's speed
FOLDER       receives it all (build/real-chips); finished steps are not done again

One rank, and one thread where the models compute. \$TERRAMILL_SHARED tells where the shared data is (../shared),
\$TERRAMILL_BIN_DIR where the program is (build/release/bin). Prints the four tables, and keeps them as MODEL-knn.json and
MODEL-linear.json.
TEXT
}

while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift ;;
    -*) echo "real_chips: unknown option \"$1\"; see --help" >&2; exit 2 ;;
    *) folder=$1 ;;
  esac
  shift
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || { echo "real_chips: --minutes $minutes is no whole number above 0" >&2; exit 2; }
[[ -d $shared/data/real ]] || { echo "real_chips: there is no shared data at $shared" >&2; exit 2; }
mkdir -p "$folder"

build() {
  terramill corpus build --source geotiff --input "$shared/data/real/$1" --mapping "$root/data-prep/$2.ini" \
    --tile-size 64 --output "$folder/$1"
}
build multimodal multimodal
build majortom_s2l2a majortom-core
build ssl4eo_s12 ssl4eo-s12
build bigearthnet_pairs bigearthnet
build eurosat_ms eurosat-ms
terramill corpus merge "$folder"/{multimodal,majortom_s2l2a,ssl4eo_s12,bigearthnet_pairs} --output "$folder/corpus"
terramill corpus verify "$folder/corpus"
terramill corpus info "$folder/corpus"

pretrain() {
  local steps=$((minutes * $2)) TIMEFORMAT="$1: %U s of processor time, %R s in all"
  time terramill pretrain --config "$here/real_$1.ini" --corpus "$folder/corpus" --output "$folder/$1" --resume \
    --train.steps "$steps" --train.warmup_steps $((steps / 10))
}
pretrain terrafm 150
pretrain mpmae 100

evaluate() {
  printf '\n== %s, %s\n' "$1" "$2"
  terramill eval "$2" --checkpoint "$folder/$1" --corpus "$folder/eurosat_ms" --test-share 0.3 --split-seed 1 \
    "${@:3}" --output "$folder/$1-$2.json"
}
for task in knn linear; do
  evaluate terrafm "$task" --seeds 3
  evaluate mpmae "$task" --seeds 3 --input s2_l1c
done
