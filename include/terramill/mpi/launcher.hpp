#pragma once

#include <terramill/mpi/communicator.hpp>

#include <optional>

namespace terramill::mpi {

/// How many processes were started together with this one, by what Open MPI's mpirun (OMPI_COMM_WORLD_SIZE),
/// PMI (PMI_SIZE: Hydra, srun with PMI-2) or srun (SLURM_STEP_NUM_TASKS) tells; nothing where none does. In
/// this order: the daemons of a launcher inside Slurm are a step of their own.
std::optional<int> started_together();

/// UsageError when the world has fewer ranks than were started together: MPI could not speak with the
/// launcher, and each process took itself for the only one.
void require_world(const Communicator& world);

}  // namespace terramill::mpi
