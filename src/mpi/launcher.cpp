#include <terramill/core/error.hpp>
#include <terramill/mpi/launcher.hpp>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace terramill::mpi {

std::optional<int> started_together() {
  for (const char* const name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr) continue;
    const std::string_view text = value;
    int count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error == std::errc() && end == text.data() + text.size()) return count;
  }
  return std::nullopt;
}

void require_world(const Communicator& world) {
  const std::optional<int> started = started_together();
  if (!started || *started <= world.size()) return;
  throw UsageError(std::to_string(*started) + " processes were started together, but MPI has a world of " +
                       std::to_string(world.size()),
                   {"join the other ranks", "the launcher",
                    "start them by the mpirun of the MPI that Terramill was built with, or by srun with a "
                    "--mpi=TYPE that it "
                    "knows (TERRAMILL_LAUNCHER for the batch scripts); single processes on purpose: "
                    "env -u SLURM_STEP_NUM_TASKS -u PMI_SIZE terramill"});
}

}  // namespace terramill::mpi
