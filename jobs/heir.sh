#!/usr/bin/env bash
# Requeues a job whose batch script was lost with its node; see --help. jobs/supervise.sh runs it on two other nodes.
set -uo pipefail

usage() {
  cat <<TEXT
usage: jobs/heir.sh JOB HOST NODES FILE RESTARTS [EXCLUDED]

Asks Slurm every ten seconds which nodes job JOB has. With --no-kill Slurm takes a lost node from the job; when that is
HOST, where the batch script ran, nobody would ever end or restart the job: it is requeued, on NODES nodes as before, which
FILE tells its next start, but on none of EXCLUDED (names with commas between). A start other than that after RESTARTS
restarts has heirs of its own.
TEXT
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
esac
(($# == 5 || $# == 6)) || { usage >&2; exit 2; }
source "$(dirname "${BASH_SOURCE[0]}")/nodes.sh"
trap '' USR1  # `scancel --signal=USR1 JOB` is meant for the ranks
job=$1 host=$2 asked_nodes=$3 asked_file=$4 SLURM_RESTART_COUNT=$5 excluded=${6:-}
stopping=false
while sleep 10; do
  read -r state list < <(squeue --noheader --job="$job" --format='%T %N' 2>/dev/null) || continue  # no controller
  [[ $state == RUNNING ]] || continue
  # grep is to read all of a long list: one that leaves early fails the pipe.
  scontrol show hostnames "$list" | grep -xF "$host" >/dev/null && continue
  if superseded; then exit 0; fi  # this node was cut off with the host, and both are back
  if requeue_job "$excluded"; then exit 0; fi
  trap - TERM
done
