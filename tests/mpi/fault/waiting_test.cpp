#include <terramill/core/activity.hpp>
#include <terramill/fault/watchdog.hpp>
#include <terramill/mpi/root_decision.hpp>
#include <terramill/mpi/work_server.hpp>

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

namespace terramill::fault {
namespace {

constexpr double kLimit = 3;  // seconds

/// Work that takes twice the limit and gets on all the time.
void work_for_long() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(2 * kLimit);
  while (std::chrono::steady_clock::now() < end) {
    beat();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// Where a watchdog takes who waits for hung, it ends the process with code 86.

TEST(Waiting, RanksWithoutWorkAreNotHungWhileAnotherWorksForLong) {
  const mpi::Communicator world = mpi::Communicator::world();
  const Watchdog watchdog(world, kLimit, "test", {});
  mpi::WorkServer server(world, {1});
  const Watched work("work");
  int taken = 0;
  while (server.next()) {
    work_for_long();
    ++taken;
  }
  server.finish();
  EXPECT_EQ(world.sum(taken), 1);
}

TEST(Waiting, RanksAreNotHungWhileRankZeroWorksForLong) {
  const mpi::Communicator world = mpi::Communicator::world();
  const Watchdog watchdog(world, kLimit, "test", {});
  const Watched work("work");
  mpi::on_root(world, work_for_long);
}

}  // namespace
}  // namespace terramill::fault
