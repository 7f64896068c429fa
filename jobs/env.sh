# shellcheck shell=bash
# Sourced by every script of Terramill (bash): where things are, and how MPI behaves on a workstation.
# Values that the caller has set win.

_terramill_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Downloads, the Python environment and the compiler cache.
export TERRAMILL_CACHE=${TERRAMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/terramill}
export TERRAMILL_VENV=${TERRAMILL_VENV:-$TERRAMILL_CACHE/venv}
export TERRAMILL_PYTHON=${TERRAMILL_PYTHON:-$TERRAMILL_VENV/bin/python}
export CCACHE_DIR=${CCACHE_DIR:-$TERRAMILL_CACHE/ccache}
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}

# LibTorch: the `torch` folder of the wheel. Empty until jobs/setup.sh has put it there.
if [[ -z ${TERRAMILL_TORCH_DIR:-} ]]; then
  TERRAMILL_TORCH_DIR=
  for _terramill_torch in "$TERRAMILL_VENV"/lib/python3*/site-packages/torch; do
    [[ -e $_terramill_torch/lib/libtorch_cpu.so ]] && TERRAMILL_TORCH_DIR=$_terramill_torch
  done
fi
export TERRAMILL_TORCH_DIR

# The programs: those that jobs/build.sh built, or another build's.
export TERRAMILL_BIN_DIR=${TERRAMILL_BIN_DIR:-$_terramill_root/build/release/bin}
case ":$PATH:" in
  *":$TERRAMILL_BIN_DIR:"*) ;;
  *) export PATH=$TERRAMILL_BIN_DIR:$PATH ;;
esac

# One thread per rank unless the caller, or the batch script, says otherwise.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# Outside a batch job ranks share cores: allow more of them than cores, and let idle ones give their core away. In
# containers the single-copy mechanism of shared memory is often forbidden, and the user often root.
if [[ -z ${SLURM_JOB_ID:-} ]]; then
  export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
  export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
  export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
  if [[ $(id -u) == 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
fi

unset _terramill_root _terramill_torch
