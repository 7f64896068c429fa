#!/usr/bin/env bash
# Runs a test in a temporary folder of its own, and fails it when it leaves a file, a mount or a process behind:
#
#   leave_nothing.sh [--no-mpi] COMMAND…
#
# --no-mpi: the command starts none, whose files need not be kept apart.
#
# Processes are known by the folder's name in their environment. Only what Open MPI keeps for ranks that a test kills
# together with their launcher is removed without a word: sessions, and what they share in memory.
set -uo pipefail
with_mpi=true
if [[ $1 == --no-mpi ]]; then
  with_mpi=false
  shift
fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/t.XXXXXX") || exit 1
mkdir "$folder/tmp"
memory='' files=()
if $with_mpi; then
  memory=$(mktemp -d /dev/shm/t.XXXXXX 2>/dev/null) || memory=$folder/memory
  mkdir -p "$memory"
  # Not in the environment, where it would win over what the job scripts choose; and before the user's and the system's files,
  # which say what this machine's Open MPI is to leave out.
  echo "btl_vader_backing_directory = $memory" >"$folder/mpi.conf"
  known=$(ompi_info --parsable --param mca base --level 9 2>/dev/null | sed -n 's/^mca:mca:base:param:mca_base_param_files:value:"\?\([^"]*\)"\?$/\1/p')
  files=("OMPI_MCA_mca_base_param_files=$folder/mpi.conf${known:+,$known}")
fi
env TERRAMILL_TEST="$folder" TMPDIR="$folder/tmp" "${files[@]}" "$@"
code=$?

processes() { grep -lzxsF "TERRAMILL_TEST=$folder" /proc/[0-9]*/environ | cut -d/ -f3; }

left=()
deadline=$((SECONDS + 15))  # for those that are on their way out
mapfile -t pids < <(processes)
while ((${#pids[@]} && SECONDS < deadline)); do
  sleep 0.2
  mapfile -t pids < <(processes)
done
for pid in "${pids[@]}"; do
  left+=("process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)")
  kill -KILL "$pid" 2>/dev/null
done
while ((${#pids[@]})); do mapfile -t pids < <(processes); done
while read -r _ place _; do
  left+=("mount $place")
  umount --lazy "$place"
done < <(grep -F " $folder/" /proc/self/mounts)
while read -r file; do left+=("file $file"); done < <(find "$folder/tmp" -mindepth 1 -path "$folder/tmp/ompi.*" -prune -o -mindepth 1 -print)
rm -rf --one-file-system "$folder" ${memory:+"$memory"}
if ((${#left[@]})); then
  echo "FAILED: the test left behind:" >&2
  printf '  %s\n' "${left[@]}" >&2
  if ((code == 0)); then code=1; fi
fi
exit "$code"
