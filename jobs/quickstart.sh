#!/usr/bin/env bash
# Sets up, builds, and runs the main job on an embedded default; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
source jobs/env.sh

usage() {
  cat <<TEXT
usage: jobs/quickstart.sh [FOLDER]

Prepares the machine, builds Terramill, and runs its whole path on an invented world:

  1. invent 2,000 raw tiles            terramill corpus synth
  2. shard them into HDF5 on 4 ranks   mpirun -n 4 terramill corpus build
  3. check every byte                  mpirun -n 2 terramill corpus verify
  4. sample by land cover              mpirun -n 2 terramill sample
  5. pretrain a small MP-MAE           mpirun -n 2 terramill pretrain
  6. pretrain a small TerraFM          mpirun -n 2 terramill pretrain
  7. test the features of both         mpirun -n 2 terramill eval knn
  8. draw what came out                terramill report

FOLDER (build/quickstart) receives it all; the pages are FOLDER/mpmae/report/index.html and FOLDER/terrafm/report/index.html.
Run again, it goes on where it was stopped. On two cores the steps take some six minutes, the build before them up to
twenty.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  -*) echo "quickstart: unknown option \"$1\"; see --help" >&2; exit 2 ;;
esac
folder=${1:-build/quickstart}

jobs/setup.sh --no-tests
jobs/build.sh --target terramill
source jobs/env.sh
mkdir -p "$folder"
started=$SECONDS

step() {
  printf '\n== %s (%d s)\n   %s\n' "$1" $((SECONDS - started)) "${*:2}"
  "${@:2}"
}

step "1. Invent 2,000 tiles" \
  mpirun -n 2 terramill corpus synth --output "$folder/raw" --tiles 2000 --seed 1
step "2. Build the corpus on 4 ranks" \
  mpirun -n 4 terramill corpus build --source mmearth-tiles --input "$folder/raw" --output "$folder/corpus" \
  --shard-tiles 100 --validation-share 0.1 --test-share 0.1
step "3. Verify it" mpirun -n 2 terramill corpus verify "$folder/corpus"
step "4. Sample by land cover" \
  mpirun -n 2 terramill sample --corpus "$folder/corpus" --tiles 1500 --strategy landcover --balance-exponent 0.5 \
  --seed 1 --output "$folder/plan.h5"
for model in mpmae terrafm; do
  case $model in mpmae) title="5. Pretrain a small MP-MAE" ;; terrafm) title="6. Pretrain a small TerraFM" ;; esac
  step "$title on 2 ranks" \
    mpirun -n 2 terramill pretrain --config "configs/$model-quickstart.ini" --corpus "$folder/corpus" \
    --output "$folder/$model" --resume
done
for model in mpmae terrafm; do
  step "7. Test the features of $model: nearest neighbours tell the land cover" \
    mpirun -n 2 terramill eval knn --checkpoint "$folder/$model" --corpus "$folder/corpus" --label land_cover \
    --output "$folder/$model/knn.json"
done
for model in mpmae terrafm; do
  step "8. Draw $model" terramill report "$folder/$model" --corpus "$folder/corpus"
done

cat <<TEXT

The quickstart took $((SECONDS - started)) s after the build. Look at:
  $folder/mpmae/report/index.html      losses, rates, sampling, reconstructed tiles
  $folder/terrafm/report/index.html    the same with what the model attends to
  $folder/*/knn.json                   what their features tell, beside untrained weights and band statistics
  $folder/*/metrics.jsonl              every step's numbers; TensorBoard: $folder/mpmae/events, $folder/terrafm/events
  $folder/*/checkpoints                what --resume goes on from
TEXT
