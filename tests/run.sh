#!/usr/bin/env bash
# Sets up, builds and tests; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../jobs/env.sh"

usage() {
  cat <<TEXT
usage: tests/run.sh [--label L]... [--filter R] [--all] [--preset P] [--no-build]

Prepares the machine (jobs/setup.sh), builds, and runs the tests. The last line counts them; above it stand the output
of each that failed and the reason of each that was skipped.

  --label L    only tests of this label: unit, mpi, parity, cluster or slow; may be repeated
  --filter R   only tests whose name matches the regular expression R
  --all        the slow tests too; without it they run only by --label slow
  --preset P   a preset of CMakePresets.json (release)
  --no-build   neither set up nor build: test what build/P holds

  TERRAMILL_SHARED   the shared data (default: shared/ beside the repository); tests that need it are skipped without

Exit codes: 0 all passed or were skipped, 1 a test failed, set-up or build failed, or no test ran; 2 bad usage.
TEXT
}

preset=release build=true all=false labels='' filter=''
while (($#)); do
  case $1 in
    --label) labels+=${labels:+|}${2:?--label needs a name}; shift 2 ;;
    --filter) filter=${2:?--filter needs a regular expression}; shift 2 ;;
    --all) all=true; shift ;;
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --no-build) build=false; shift ;;
    --help | -h) usage; exit 0 ;;
    *) echo "run: unknown option \"$1\"; see --help" >&2; exit 2 ;;
  esac
done

if $build; then
  "$here/../jobs/setup.sh"
  "$here/../jobs/build.sh" --preset "$preset"
  source "$here/../jobs/env.sh"
fi
folder=$here/../build/$preset
[[ -e $folder/CTestTestfile.cmake ]] || { echo "run: $folder holds no tests; build it first" >&2; exit 1; }

selection=()
[[ -z $labels ]] || selection+=(--label-regex "^($labels)\$")
[[ -z $filter ]] || selection+=(--tests-regex "$filter")
$all || [[ $labels =~ (^|\|)slow($|\|) ]] || selection+=(--label-exclude '^slow$')

# Where tests put temporary files: none may be left there.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/tr.XXXX")
export TMPDIR
trap 'rm -rf --one-file-system "$TMPDIR"' EXIT

# One junit file holds every test's output; ctest's own lines show the progress.
results=$folder/results.xml
rm -f "$results"
status=0
ctest --test-dir "$folder" --parallel "$(env -u OMP_NUM_THREADS nproc)" --output-junit "$(realpath -m "$results")" \
  --test-output-size-passed 200000 --test-output-size-failed 1000000 "${selection[@]}" || status=$?
left=$(find "$TMPDIR" -mindepth 1 -maxdepth 1 ! -name 'ompi.*')  # sessions of Open MPI's, whose ranks were killed
if [[ -n $left ]]; then
  printf 'run: tests left behind:\n%s\n' "$left" >&2
  ((status)) || status=1
fi
"$TERRAMILL_PYTHON" "$here/summary.py" "$results" "$status"
