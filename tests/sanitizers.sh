#!/usr/bin/env bash
# Builds the tests with sanitizers and runs them: what the compiler cannot show.
#
#   bash tests/sanitizers.sh address [CTEST ARGUMENT]…    address and undefined-behaviour sanitizers; by default on all
#                                                         unit, parity and MPI tests
#   bash tests/sanitizers.sh thread [CTEST ARGUMENT]…     thread sanitizer; by default on what has threads of its own: thread
#                                                         pool, corpus, loader, communication thread, checkpoints
#
# Each needs about 20 minutes of two cores for the build. Libraries that were not built with the sanitizer are named in
# tests/support/thread.supp; leaks are not looked for, since OpenMPI keeps its memory to the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

kind=${1:-}
[[ $# -gt 0 ]] && shift
case $kind in
  address) preset=asan ;;
  thread) preset=tsan ;;
  -h | --help) usage && exit 0 ;;
  *) usage >&2 && exit 2 ;;
esac
# shellcheck source=../jobs/env.sh
source jobs/env.sh
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:detect_stack_use_after_return=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$PWD/tests/support/thread.supp:halt_on_error=1}

# Optimised for size of the build rather than for debugging: -g1 still gives every stack its lines.
cmake --preset "$preset" -DTERRAMILL_TORCH_DIR="$TERRAMILL_TORCH_DIR" \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG" >/dev/null
if [[ $kind == address ]]; then
  ninja -C build/asan
  [[ $# -gt 0 ]] || set -- -LE "slow|cluster|bench"
else
  targets=(core_test mpi_mpi corpus_source_test corpus_format_test corpus_build_test corpus_layout_test corpus_merge_test
           corpus_synth_mpi_test loader_unit_test loader_mpi_test unit_checkpoint mpi_parallel mpi_checkpoint)
  ninja -C build/tsan "${targets[@]}"
  [[ $# -gt 0 ]] || set -- -R "^($(IFS='|' && echo "${targets[*]}"))[.]"
fi
ctest --test-dir "build/$preset" --output-on-failure "$@"
