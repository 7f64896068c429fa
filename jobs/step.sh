# shellcheck shell=bash
# Sourced by the batch scripts: runs `terramill` on every task of the allocation.
#
#   terramill_step SUBCOMMAND… [OPTION]…
#
# prints the layout, gives each node a scratch folder of its own, starts the ranks with what this cluster and this MPI
# can, passes the stop signal on to them, and returns their exit code.
#
#   TERRAMILL_MODULES   modules to load first, e.g. "openmpi hdf5 gdal"
#   TERRAMILL_LAUNCHER  how ranks are started, e.g. "srun --mpi=pmi2"; by default chosen: see terramill_choose_launcher

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# srun with PMIx where Slurm has it; PMI-2 for MPI libraries other than Open MPI, which is seldom built with it; else
# mpirun, which starts its daemons through Slurm.
terramill_choose_launcher() {
  local types open_mpi=false word
  if [[ -n ${TERRAMILL_LAUNCHER:-} ]]; then
    read -ra launcher <<<"$TERRAMILL_LAUNCHER"
    if [[ ${launcher[0]##*/} == srun && $TERRAMILL_LAUNCHER != *--kill-on-bad-exit* ]]; then launcher+=(--kill-on-bad-exit=1); fi
    return
  fi
  types=$(srun --mpi=list 2>&1 || true)
  if mpirun --version 2>&1 | grep -q 'Open MPI'; then open_mpi=true; fi
  for word in pmix pmix_v5 pmix_v4 pmix_v3 pmix_v2; do
    if grep -qw "$word" <<<"$types"; then
      launcher=(srun "--mpi=$word" --kill-on-bad-exit=1)
      return
    fi
  done
  if ! $open_mpi && grep -qw pmi2 <<<"$types"; then
    launcher=(srun --mpi=pmi2 --kill-on-bad-exit=1)
  elif $open_mpi; then
    launcher=(mpirun --bind-to none)
  else
    launcher=(mpiexec)
  fi
}

terramill_on_every_node() { srun --mpi=none --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --ntasks="$SLURM_JOB_NUM_NODES" "$@"; }

# The head of a job's log; `launcher` and `scratch` are the caller's.
terramill_tell_layout() {
  echo "terramill: job $SLURM_JOB_ID ($SLURM_JOB_NAME), start ${SLURM_RESTART_COUNT:-0}, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "terramill: $SLURM_JOB_NUM_NODES nodes: $SLURM_JOB_NODELIST"
  echo "terramill: $SLURM_NTASKS ranks, per node ${SLURM_TASKS_PER_NODE:-?}, cores per rank $OMP_NUM_THREADS, GPUs per node ${SLURM_GPUS_ON_NODE:-0}"
  echo "terramill: ${launcher[*]} $(command -v terramill) $*"
  echo "terramill: node-local scratch: $scratch"
}

terramill_step() {
  local launcher=() scratch step code=0 module
  if [[ -z ${SLURM_JOB_ID:-} ]]; then
    echo "terramill: this is a Slurm batch script: submit it with sbatch" >&2
    return 2
  fi
  for module in ${TERRAMILL_MODULES:-}; do module load "$module"; done
  if ! command -v terramill >/dev/null; then
    echo "terramill: the program is not here. Run jobs/build.sh on a login node, in the folder of this script." >&2
    return 1
  fi
  terramill_choose_launcher
  # A node's own disk, or at least its own folder.
  scratch=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/terramill-$SLURM_JOB_ID
  export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

  terramill_tell_layout "$@"

  terramill_on_every_node mkdir -p "$scratch" || return 1
  case ${launcher[0]##*/} in
    srun) ;;
    # What is meant for srun must not reach that by which mpirun starts its daemons.
    mpirun) launcher=(env -u SRUN_CPUS_PER_TASK "${launcher[@]}") ;;
    *) if [[ " ${launcher[*]} " != *" -n "* ]]; then launcher+=(-n "$SLURM_NTASKS"); fi ;;
  esac
  # In the background, so that this shell can hear the stop signal while the ranks run.
  TMPDIR=$scratch "${launcher[@]}" terramill "$@" &
  step=$!
  trap 'echo "terramill: stop requested"; kill -USR1 "$step" 2>/dev/null' USR1
  trap 'kill -TERM "$step" 2>/dev/null' TERM
  while kill -0 "$step" 2>/dev/null; do wait "$step" || true; done
  wait "$step" || code=$?
  trap - USR1 TERM
  terramill_on_every_node rm -rf --one-file-system "$scratch" || true
  echo "terramill: exit code $code, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  return "$code"
}
