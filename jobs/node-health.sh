#!/usr/bin/env bash
# Says in one line whether this node can take part; see --help. jobs/supervise.sh runs it on every node.
set -uo pipefail

usage() {
  cat <<TEXT
usage: jobs/node-health.sh SCRATCH SEGMENTS DISK MEMORY GPUS [FOLDER]...

Prints "HOST ok", or "HOST" and what is wrong: SCRATCH (made when missing) cannot be written and read back or has less
than DISK MiB free, SEGMENTS (empty: none), the folder of shared memory, cannot be made, less than MEMORY MiB of memory are
available, fewer than GPUS GPUs answer, \`terramill\` is missing, or a FOLDER, which all nodes share, does not answer within
30 seconds.

Exit codes: 0 healthy, 1 not, 2 bad usage.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
esac
(($# >= 5)) || { usage >&2; exit 2; }
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
trap '' USR1  # `scancel --signal=USR1 JOB` is meant for the ranks
scratch=$1 segments=$2 disk=$3 memory=$4 gpus=$5
shift 5
probe=$scratch/.health-$$
trap 'rm -f "$probe"' EXIT

node=${SLURMD_NODENAME:-$(hostname)}

unhealthy() { echo "$node $*"; exit 1; }

mkdir -p "$scratch" 2>/dev/null || unhealthy "cannot make the folder $scratch"
# A full or failing disk shows when it has to keep something, not when it is asked for its size.
written=$(head -c 1048576 /dev/urandom | base64)
printf %s "$written" 2>/dev/null | dd of="$probe" bs=64K conv=fsync status=none 2>/dev/null || unhealthy "cannot write in $scratch"
[[ $(<"$probe") == "$written" ]] || unhealthy "$scratch gives back other bytes than were written"
free=$(($(stat --file-system --format='%a * %S' "$scratch") / 1048576))
((free >= disk)) || unhealthy "$scratch has $free MiB left, not $disk"
if [[ -n $segments ]]; then
  mkdir -p "$segments" 2>/dev/null || unhealthy "cannot make the folder $segments"
fi
available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
((available >= memory)) || unhealthy "has $available MiB of memory available, not $memory"
if ((gpus > 0)); then
  # Slurm may count the instances into which cards are cut (MIG), listed below their card.
  answering=$(timeout 30 nvidia-smi --list-gpus 2>/dev/null | awk '/^GPU/ { ++n; uncut = 1 } /^ *MIG/ { n += !uncut; uncut = 0 } END { print n + 0 }')
  ((answering >= gpus)) || unhealthy "has $answering GPUs that answer, not $gpus"
fi
command -v terramill >/dev/null || unhealthy "does not see the program (no terramill on the PATH)"
for folder in "$@"; do
  timeout --kill-after=5 30 stat "$folder" >/dev/null 2>&1 || unhealthy "does not see $folder"
done
echo "$node ok"
