#include <terramill/train/stragglers.hpp>

#include <optional>

#include <gtest/gtest.h>

namespace terramill::train {
namespace {

using Finding = StragglerWatch::Finding;

/// The findings of `steps` steps of a second in which rank 1 computes `slow` seconds and the others half a
/// one.
std::vector<Finding> findings(const mpi::Communicator& world, StragglerWatch& watch, int steps,
                              double (*slow)(int)) {
  std::vector<Finding> all;
  for (int step = 1; step <= steps; ++step) {
    StepPhases phases;
    phases.compute = world.rank() == 1 ? slow(step) : 0.5;
    if (auto found = watch.after_step(step, 1, phases, 0)) all.push_back(*std::move(found));
  }
  return all;
}

TEST(StragglerWatch, NamesRankPhaseAndStepsOnceUntilItsRestIsOver) {
  const mpi::Communicator world = mpi::Communicator::world();
  StragglerWatch watch(world, {1.5, 4}, 1);
  const int steps = 4 * (StragglerWatch::kQuietWindows + 2);
  const auto found = findings(world, watch, steps, [](int) { return 0.9; });
  ASSERT_EQ(found.size(), world.size() > 1 ? 2U : 0U);
  if (found.empty()) return;
  EXPECT_EQ(found[0].straggler.rank, 1);
  EXPECT_EQ(found[0].straggler.phase, "compute");
  EXPECT_EQ(found[0].first_step, 1);
  EXPECT_EQ(found[0].last_step, 4);
  EXPECT_EQ(found[1].last_step, steps);
  if (world.rank() == 0) {
    EXPECT_NE(found[0].text().find("rank 1 on " + process_host()), std::string::npos);
  }
}

TEST(StragglerWatch, OneSlowStepIsNoStraggler) {
  const mpi::Communicator world = mpi::Communicator::world();
  StragglerWatch watch(world, {1.5, 5}, 1);
  EXPECT_TRUE(findings(world, watch, 20, [](int step) { return step % 5 == 0 ? 60.0 : 0.5; }).empty());
}

TEST(StragglerWatch, AReplicaWithMoreToDoIsNotSlow) {
  const mpi::Communicator world = mpi::Communicator::world();
  StragglerWatch watch(world, {1.5, 4}, world.rank() == 1 ? 2 : 1);
  EXPECT_TRUE(findings(world, watch, 8, [](int) { return 1.0; }).empty());
}

TEST(StragglerWatch, ASlowDiskShowsAfterThreeCheckpoints) {
  const mpi::Communicator world = mpi::Communicator::world();
  StragglerWatch watch(world, {1.5, 1}, 1);
  std::optional<Finding> found;
  int checkpoints = 0;
  while (!found && checkpoints < 10) {
    ++checkpoints;
    found = watch.after_step(checkpoints, 1, {}, world.rank() == 1 ? 3 : 1);
  }
  ASSERT_EQ(found.has_value(), world.size() > 1);
  if (!found) return;
  EXPECT_EQ(checkpoints, static_cast<int>(StragglerWatch::kCheckpoints));
  EXPECT_EQ(found->straggler.phase, "checkpoint");
}

TEST(StragglerWatch, AFactorOfZeroIsNoWatch) {
  const mpi::Communicator world = mpi::Communicator::world();
  StragglerWatch watch(world, {0, 1}, 1);
  EXPECT_TRUE(findings(world, watch, 3, [](int) { return 100.0; }).empty());
}

}  // namespace
}  // namespace terramill::train
