#include <terramill/checkpoint/auto_interval.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace terramill::checkpoint {
namespace {

constexpr double kDay = 86400;

/// Time lost per time, to checkpoints and to steps done again, when checkpoints are `interval` apart.
double lost(double cost, double interval, double mtbf) { return cost / interval + interval / (2 * mtbf); }

TEST(YoungInterval, LosesLessThanAnyOther) {
  for (const double cost : {0.1, 1.0, 30.0}) {
    const double best = young_interval(cost, kDay);
    EXPECT_NEAR(lost(cost, best, kDay), young_share(cost, kDay), 1e-12);
    for (const double factor : {0.5, 0.9, 1.1, 2.0})
      EXPECT_GT(lost(cost, factor * best, kDay), lost(cost, best, kDay));
  }
}

TEST(AutoInterval, SavesEarlyToLearnTheCost) {
  AutoInterval interval(kDay);
  for (int step = 0; step < 5; ++step) interval.step_took(0.5, false);
  EXPECT_EQ(interval.steps(), AutoInterval::kFirst);
}

TEST(AutoInterval, CountsStallAndSlowedSteps) {
  AutoInterval interval(kDay);
  for (int step = 0; step < 100; ++step) interval.step_took(0.5, false);
  interval.stalled(0.2);
  for (int step = 0; step < 4; ++step) interval.step_took(0.6, true);
  interval.written(2.4);
  EXPECT_NEAR(interval.cost(), 0.2 + 4 * 0.1, 1e-9);
  EXPECT_EQ(interval.steps(), static_cast<std::int64_t>(std::ceil(young_interval(0.6, kDay) / 0.5)));
}

TEST(AutoInterval, LeavesTimeForTheWriting) {
  AutoInterval interval(100);
  interval.step_took(1, false);
  interval.stalled(0.001);
  interval.written(60);
  EXPECT_EQ(interval.steps(), 60);
}

TEST(AutoInterval, FollowsTheLastCheckpoints) {
  AutoInterval interval(kDay);
  interval.step_took(1, false);
  for (const double stall : {9.0, 9.0, 1.0, 1.0, 1.0, 1.0}) {
    interval.stalled(stall);
    interval.written(1);
  }
  EXPECT_NEAR(interval.cost(), 1, 1e-12);
}

}  // namespace
}  // namespace terramill::checkpoint
