#include <terramill/train/schedule.hpp>

#include <gtest/gtest.h>

namespace terramill::train {
namespace {

TEST(CosineSchedule, RisesLinearlyThenFallsToTheMinimum) {
  const CosineSchedule schedule{.peak = 2.0, .minimum = 0.5, .warmup = 4, .total = 10};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule.at(1), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(4), 2.0);
  EXPECT_DOUBLE_EQ(schedule.at(7), 1.25);
  EXPECT_DOUBLE_EQ(schedule.at(10), 0.5);
}

TEST(CosineSchedule, WithoutWarmUpStartsAtThePeak) {
  const CosineSchedule schedule{.peak = 1.0, .minimum = 0.0, .warmup = 0, .total = 2};
  EXPECT_DOUBLE_EQ(schedule.at(0), 1.0);
  EXPECT_NEAR(schedule.at(1), 0.5, 1e-15);
}

}  // namespace
}  // namespace terramill::train
