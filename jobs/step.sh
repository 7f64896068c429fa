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
export SRUN_EXPORT_ENV=ALL  # after `sbatch --export=NONE` steps would not get what is set here

# For Open MPI srun with PMIx, or mpirun, which starts its daemons through Slurm; for others, which seldom know PMIx, srun
# as Cray has it or with PMI-2, or mpiexec.
terramill_choose_launcher() {
  local types open_mpi=false word kinds=(cray_shasta pmi2)
  if [[ -n ${TERRAMILL_LAUNCHER:-} ]]; then
    read -ra launcher <<<"$TERRAMILL_LAUNCHER"
    if [[ ${launcher[0]##*/} == srun && $TERRAMILL_LAUNCHER != *--kill-on-bad-exit* ]]; then launcher+=(--kill-on-bad-exit=1); fi
    return
  fi
  types=$(srun --mpi=list 2>&1 || true)
  if [[ $(ldd "$(command -v terramill)" 2>&1; mpirun --version 2>&1) =~ libopen-(pal|rte)|'Open MPI' ]]; then
    open_mpi=true kinds=(pmix pmix_v5 pmix_v4 pmix_v3 pmix_v2)
  fi
  for word in "${kinds[@]}"; do
    if grep -qw "$word" <<<"$types"; then
      launcher=(srun "--mpi=$word" --kill-on-bad-exit=1)
      return
    fi
  done
  if $open_mpi; then
    launcher=(mpirun --bind-to none)
  else
    launcher=(mpiexec)
  fi
}

# The folders NAME of each node: `scratch` on its own disk, `segments` in memory for what Open MPI's ranks share, which would
# outlive ranks that are killed; sets `surroundings`, which runs a command of the ranks with them.
terramill_choose_folders() {
  local base=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
  [[ -n ${SLURM_TMPDIR:-} || -d $base && -w $base ]] || base=/tmp  # a TMPDIR of the login node
  scratch=$base/$1 segments=''
  surroundings=(env TMPDIR="$scratch")
  if [[ -w /dev/shm && -z ${OMPI_MCA_btl_vader_backing_directory:-} ]]; then
    segments=/dev/shm/$1
    surroundings+=(OMPI_MCA_btl_vader_backing_directory="$segments" OMPI_MCA_btl_sm_backing_directory="$segments")  # 4.x, 5.x
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
  local launcher=() scratch segments surroundings=() step code=0 module
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
  terramill_choose_folders "terramill-$SLURM_JOB_ID"
  export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

  terramill_tell_layout "$@"

  terramill_on_every_node mkdir -p "$scratch" ${segments:+"$segments"} || return 1
  case ${launcher[0]##*/} in
    srun) ;;
    # What is meant for srun must not reach that by which mpirun starts its daemons.
    mpirun) launcher=(env -u SRUN_CPUS_PER_TASK "${launcher[@]}") ;;
    *) if [[ " ${launcher[*]} " != *" -n "* ]]; then launcher+=(-n "$SLURM_NTASKS"); fi ;;
  esac
  # In the background, so that this shell can hear the stop signal while the ranks run.
  "${surroundings[@]}" "${launcher[@]}" terramill "$@" &
  step=$!
  trap 'echo "terramill: stop requested"; kill -USR1 "$step" 2>/dev/null' USR1
  trap 'kill -TERM "$step" 2>/dev/null' TERM
  while kill -0 "$step" 2>/dev/null; do wait "$step" || true; done
  wait "$step" || code=$?
  trap - USR1 TERM
  terramill_on_every_node rm -rf --one-file-system "$scratch" ${segments:+"$segments"} || true
  echo "terramill: exit code $code, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  return "$code"
}
