#!/usr/bin/env bash
# Requeues a job whose batch script was lost with its node; see --help. jobs/supervise.sh runs it on two other nodes.
set -uo pipefail

usage() {
  cat <<TEXT
usage: jobs/heir.sh JOB HOST NODES [EXCLUDED]

Asks Slurm every ten seconds which nodes job JOB has. With --no-kill Slurm takes a lost node from the job; when that is
HOST, where the batch script ran, nobody would ever end or restart the job: it is requeued, on NODES nodes as before, but
on none of EXCLUDED (names with commas between).
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
esac
(($# == 3 || $# == 4)) || { usage >&2; exit 2; }
source "$(dirname "${BASH_SOURCE[0]}")/nodes.sh"
job=$1 host=$2 count=$3 excluded=${4:-}
while sleep 10; do
  read -r state list < <(squeue --noheader --job="$job" --format='%T %N' 2>/dev/null) || continue  # no controller
  [[ $state == RUNNING ]] || continue
  scontrol show hostnames "$list" | grep -qx "$host" && continue
  if requeue_job "$count" "$excluded"; then exit 0; fi
  trap - TERM
done
