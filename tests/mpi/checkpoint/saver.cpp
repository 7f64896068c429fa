// checkpoint_saver save RUN     saves steps 1, 2, 3 … of an invented state until it is killed, keeping two,
// and prints each
//                               step once it is saved
// checkpoint_saver newest RUN   prints the step of the newest whole checkpoint, after checking every tensor;
// 0 for none

#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include <unistd.h>

namespace {

using terramill::checkpoint::Reader;
using terramill::testing::invented_state;

void save_forever(const terramill::mpi::Communicator& world, const std::string& run) {
  for (const int process : world.all_gather(static_cast<std::int32_t>(::getpid()))) {
    if (world.rank() == 0) std::printf("%d ", process);
  }
  if (world.rank() == 0) std::printf("\n");
  std::fflush(stdout);
  const auto found = terramill::checkpoint::find_latest(world, run);
  for (std::int64_t step = found ? Reader(*found).step() + 1 : 1;; ++step) {
    terramill::checkpoint::save(world, run, step, invented_state(step), {{"step", step}});
    if (world.rank() != 0) continue;
    std::printf("%lld\n", static_cast<long long>(step));
    std::fflush(stdout);
    terramill::checkpoint::prune(run, 2);
  }
}

long long newest(const terramill::mpi::Communicator& world, const std::string& run) {
  const auto found = terramill::checkpoint::find_latest(world, run);
  if (!found) return 0;
  const Reader reader(*found);
  for (const auto& [name, tensor] : invented_state(reader.step())) {
    if (!reader.read(name).equal(tensor)) throw terramill::Error(name + " has other values");
  }
  return reader.step();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const terramill::mpi::Session session(&argc, &argv);
    const terramill::mpi::Communicator world = terramill::mpi::Communicator::world();
    if (argc != 3) throw terramill::UsageError("give save or newest and a run");
    if (std::string(argv[1]) == "save") save_forever(world, argv[2]);
    const long long step = newest(world, argv[2]);
    if (world.rank() == 0) std::printf("%lld\n", step);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    terramill::mpi::abort_job(1);
  }
}
