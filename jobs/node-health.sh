#!/usr/bin/env bash
# Says in one line whether this node can take part; see --help. jobs/supervise.sh runs it on every node.
set -uo pipefail

usage() {
  cat <<TEXT
usage: jobs/node-health.sh SCRATCH DISK MEMORY GPUS [FOLDER]...

Prints "HOST ok", or "HOST" and what is wrong: SCRATCH (made when missing) cannot be written and read back or has less
than DISK MiB free, less than MEMORY MiB of memory are available, fewer than GPUS GPUs answer, \`terramill\` is missing, or
a FOLDER, which all nodes share, does not answer within 30 seconds.

Exit codes: 0 healthy, 1 not, 2 bad usage.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
esac
(($# >= 4)) || { usage >&2; exit 2; }
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
scratch=$1 disk=$2 memory=$3 gpus=$4
shift 4
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
available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
((available >= memory)) || unhealthy "has $available MiB of memory available, not $memory"
if ((gpus > 0)); then
  answering=$(timeout 30 nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU')
  ((answering >= gpus)) || unhealthy "has $answering GPUs that answer, not $gpus"
fi
command -v terramill >/dev/null || unhealthy "does not see the program (no terramill on the PATH)"
for folder in "$@"; do
  timeout --kill-after=5 30 stat "$folder" >/dev/null 2>&1 || unhealthy "does not see $folder"
done
echo "$node ok"
