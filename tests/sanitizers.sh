#!/usr/bin/env bash
# Builds the tests with sanitizers and runs them: what the compiler cannot show.
#
#   bash tests/sanitizers.sh address [NAME]…   address and undefined-behaviour sanitizers: every test binary, and the program
#                                              from raw tiles to features (NAME "program")
#   bash tests/sanitizers.sh thread [NAME]…    thread sanitizer: the binaries of what has threads of its own: thread pool,
#                                              corpus, loader, communication thread, checkpoint writer, watchdog
#
#   --no-build   take what build/asan or build/tsan holds
#
# Binaries with MPI, and the program, run on four ranks (parity tests on the most that their vectors are for), the others by
# themselves; NAMEs choose among them. Each is a line "clean" or "FAILED"; a failed one's output is printed at the
# end, and its file kept. Code 1 when any failed. The build needs about 20 minutes of two cores. Libraries that were not
# built with the sanitizer are named in tests/support/thread.supp; leaks are not looked for, since OpenMPI keeps its memory
# to the end. Parity tests need TERRAMILL_SHARED.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

kind='' build=true names=()
for argument; do
  case $argument in
    -h | --help) usage && exit 0 ;;
    --no-build) build=false ;;
    -*) usage >&2 && exit 2 ;;
    *) if [[ -z $kind ]]; then kind=$argument; else names+=("$argument"); fi ;;
  esac
done
threaded=(core_test fault_test mpi_mpi corpus_source_test corpus_format_test corpus_world_test corpus_build_test
          corpus_input_test corpus_layout_test corpus_merge_test corpus_shard_work_test corpus_synth_mpi_test corpus_verify_test
          fault_waiting_test loader_unit_test loader_mpi_test
          sampling_mpi_test unit_checkpoint mpi_parallel mpi_checkpoint)
case $kind in
  address) preset=asan targets=(all) ;;
  thread) preset=tsan targets=("${threaded[@]}") ;;
  *) usage >&2 && exit 2 ;;
esac
# shellcheck source=../jobs/env.sh
source jobs/env.sh
folder=$PWD/build/$preset
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:detect_stack_use_after_return=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$PWD/tests/support/thread.supp:halt_on_error=1}
export OMP_NUM_THREADS=1 TERRAMILL_SOURCE_DIR=$PWD TERRAMILL_BIN_DIR=$folder/bin
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none GTEST_COLOR=no

if $build; then
  # Optimised for size of the build rather than for debugging: -g1 still gives every stack its lines.
  cmake --preset "$preset" -DTERRAMILL_TORCH_DIR="$TERRAMILL_TORCH_DIR" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG" >/dev/null
  ninja -C "$folder" "${targets[@]}"
fi

# CTest knows which binaries there are: "NAME.npRANKS" has MPI, "NAME.Suite.Case" has none.
listed=$(ctest --test-dir "$folder" -N | sed -n 's/^ *Test *#[0-9]*: //p')
with_mpi=$(sed -n 's/[.]np[0-9]*$//p' <<<"$listed" | sort -u)
parity=$(ctest --test-dir "$folder" -N -L '^parity$' | sed -n 's/^ *Test *#[0-9]*: //p')
if ((${#names[@]} == 0)); then
  if [[ $kind == thread ]]; then
    names=("${threaded[@]}")
  else
    while read -r name; do
      [[ ! -x $folder/bin/$name ]] || names+=("$name")
    done < <(sed 's/[.].*//' <<<"$listed" | sort -u)
    names+=(program)
  fi
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/terramill-sanitizers.XXXXXX")
failed=()

ranks() { mpirun --oversubscribe -n "${ranks:-4}" "$@"; }

# most_ranks NAME: on how many ranks a binary is to run.
most_ranks() {
  if grep -q "^$1[.]np" <<<"$parity"; then
    sed -n "s/^$1[.]np//p" <<<"$listed" | sort -n | tail -n 1
  else
    echo 4
  fi
}

# Raw tiles, corpus, verification, plan, both models with a checkpoint that is resumed, evaluation, features, page.
program() {
  local terramill=$folder/bin/terramill model
  ranks "$terramill" corpus synth --output "$scratch/raw" --tiles 300 --seed 1
  ranks "$terramill" corpus build --source mmearth-tiles --input "$scratch/raw" --output "$scratch/corpus" \
    --shard-tiles 50 --validation-share 0.1 --test-share 0.1
  ranks "$terramill" corpus verify "$scratch/corpus"
  ranks "$terramill" sample --corpus "$scratch/corpus" --tiles 200 --strategy landcover --seed 1 --output "$scratch/plan.h5"
  for model in mpmae terrafm; do
    local train=("$terramill" pretrain --config "configs/$model-quickstart.ini" --corpus "$scratch/corpus"
                 --output "$scratch/$model" --train.micro_batch_size 4 --train.steps 6 --train.warmup_steps 2
                 --checkpoint.every 2 --checkpoint.local "$scratch/node" --fault.hash_every 2)
    ranks "${train[@]}" --train.stop_after 4 || (($? == 85))
    ranks "${train[@]}" --resume
    ranks "$terramill" checkpoint verify "$scratch/$model"
    ranks "$terramill" eval knn --checkpoint "$scratch/$model" --corpus "$scratch/corpus" --label land_cover \
      --output "$scratch/$model-knn.json"
    ranks "$terramill" embed --checkpoint "$scratch/$model" --corpus "$scratch/corpus" --output "$scratch/$model.h5"
    "$terramill" report "$scratch/$model" --corpus "$scratch/corpus"
  done
}

check() {
  local name=$1 start=$SECONDS log=$scratch/$1.log status=0
  shift
  set +e  # in a condition the job's own failures would not end it
  (
    set -e
    "$@"
  ) >"$log" 2>&1
  status=$?
  set -e
  if ((status == 0)); then
    printf '%-8s %-32s %5d s  %s\n' clean "$name" $((SECONDS - start)) "$(grep -a 'PASSED' "$log" | tail -n 1)"
    rm "$log"
  else
    printf '%-8s %-32s %5d s  %s\n' FAILED "$name" $((SECONDS - start)) "$log"
    failed+=("$log")
  fi
}

for name in "${names[@]}"; do
  if [[ $name == program ]]; then
    check program program
  elif [[ ! -x $folder/bin/$name ]]; then
    echo "sanitizers: there is no $folder/bin/$name" >&2 && exit 2
  elif grep -qx "$name" <<<"$with_mpi"; then
    ranks=$(most_ranks "$name") check "$name" ranks "$folder/bin/$name"
  else
    check "$name" "$folder/bin/$name"
  fi
done

if ((${#failed[@]} == 0)); then
  rm -r "$scratch"
  exit 0
fi
for log in "${failed[@]}"; do
  echo "== $log"
  tail -n 60 "$log"
done
exit 1
