// checkpoint_saver save RUN         saves steps 1, 2, 3 … of an invented state until it is killed, keeping
// two,
//                                   and prints each step once it is saved
// checkpoint_saver save-behind RUN  the same, written behind what changes the state
// checkpoint_saver save-local RUN   the same, on the disks of nodes in RUN/disks, of which each rank plays
// one checkpoint_saver newest RUN       prints the step of the newest whole checkpoint, after checking every
//                                   tensor; 0 for none
// checkpoint_saver newest-local RUN the same of the nodes' disks, by as many ranks as saved it

#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/async_writer.hpp>
#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/log.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include <unistd.h>

namespace {

namespace checkpoint = terramill::checkpoint;
using terramill::checkpoint::Reader;
using terramill::testing::invented_state;

void say_saved(const terramill::mpi::Communicator& world, std::int64_t step) {
  if (world.rank() != 0) return;
  std::printf("%lld\n", static_cast<long long>(step));
  std::fflush(stdout);
}

void save_behind(const terramill::mpi::Communicator& world, const std::string& run, std::int64_t step) {
  checkpoint::AsyncWriter writer(world, [&](const auto& comm, const checkpoint::Snapshot& snapshot) {
    checkpoint::write(comm, run, snapshot);
    if (comm.rank() == 0) checkpoint::prune(run, {2}, snapshot.step());
  });
  for (;; ++step) {
    const auto tensors = invented_state(step);
    std::vector<checkpoint::StateTensor> state;
    for (const auto& tensor : tensors) {
      state.push_back(
          checkpoint::whole_state(tensor, {checkpoint::Holders::Set::kAll, world.rank(), world.size()}));
    }
    writer.submit(step, state, {{"step", step}}, {checkpoint::AsyncWriter::Tier::kShared});
    for (const auto& [name, tensor] : tensors) tensor.zero_();
    for (const auto& outcome : writer.finished()) say_saved(world, outcome.step);
  }
}

checkpoint::LocalTier nodes(const terramill::mpi::Communicator& world, const std::string& run) {
  return {world, {run + "/disks", "saver", {"node" + std::to_string(world.rank()), ""}, world.size()}};
}

long long checked_step(const std::filesystem::path& path) {
  const Reader reader(path);
  for (const auto& [name, tensor] : invented_state(reader.step())) {
    if (!reader.read(name).equal(tensor)) throw terramill::Error(name + " has other values");
  }
  return reader.step();
}

long long newest(const terramill::mpi::Communicator& world, const std::string& run) {
  const auto found = checkpoint::find_latest(world, run);
  return found ? checked_step(*found) : 0;
}

long long newest_local(const terramill::mpi::Communicator& world, const std::string& run) {
  const checkpoint::LocalTier tier = nodes(world, run);
  for (const auto& found : tier.find(world)) {
    if (found.fault.empty()) return checked_step(tier.promote(world, found, run + "/promoted"));
  }
  return 0;
}

void save_local(const terramill::mpi::Communicator& world, const std::string& run) {
  const checkpoint::LocalTier tier = nodes(world, run);
  for (long long step = newest_local(world, run) + 1;; ++step) {
    tier.write(world, {world.rank(), world.size(), step, invented_state(step), {{"step", step}}});
    say_saved(world, step);
  }
}

void save_forever(const terramill::mpi::Communicator& world, const std::string& verb,
                  const std::string& run) {
  for (const int process : world.all_gather(static_cast<std::int32_t>(::getpid()))) {
    if (world.rank() == 0) std::printf("%d ", process);
  }
  if (world.rank() == 0) std::printf("\n");
  std::fflush(stdout);
  if (verb == "save-local") return save_local(world, run);
  const auto found = checkpoint::find_latest(world, run);
  std::int64_t step = found ? Reader(*found).step() + 1 : 1;
  if (verb == "save-behind") return save_behind(world, run, step);
  for (;; ++step) {
    checkpoint::save(world, run, step, invented_state(step), {{"step", step}});
    say_saved(world, step);
    if (world.rank() == 0) checkpoint::prune(run, {2}, step);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const terramill::mpi::Session session(&argc, &argv);
    const terramill::mpi::Communicator world = terramill::mpi::Communicator::world();
    terramill::log::init("warn");
    if (argc != 3) throw terramill::UsageError("give what to do and a run");
    const std::string verb = argv[1];
    if (verb.starts_with("save")) save_forever(world, verb, argv[2]);
    const long long step = verb == "newest-local" ? newest_local(world, argv[2]) : newest(world, argv[2]);
    if (world.rank() == 0) std::printf("%lld\n", step);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    terramill::mpi::abort_job(1);
  }
}
