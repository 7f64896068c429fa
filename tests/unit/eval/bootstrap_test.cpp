#include <terramill/core/philox.hpp>
#include <terramill/eval/bootstrap.hpp>

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::eval {
namespace {

/// `tiles` answers of which each is right with probability `share`.
Answers coin_tosses(std::int32_t tiles, double share, std::uint64_t seed) {
  PhiloxStream random(seed, Purpose::kTest);
  Answers answers;
  answers.tiles = tiles;
  answers.classes = 2;
  for (std::int32_t i = 0; i < tiles; ++i) {
    answers.truth.push_back(0);
    answers.predicted.push_back(random.uniform() < share ? 0 : 1);
    answers.among_top.push_back(1);
  }
  return answers;
}

TEST(BootstrapInterval, CoversTheTrueAccuracyAboutNineteenTimesInTwenty) {
  constexpr int kTrials = 200;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Bootstrap bootstrap({{coin_tosses(200, 0.7, static_cast<std::uint64_t>(trial))}}, 200, 1);
    const Estimate accuracy = bootstrap.of(0).front();
    covered += accuracy.low <= 0.7 && 0.7 <= accuracy.high ? 1 : 0;
  }
  EXPECT_GE(covered, kTrials * 0.89);  // four standard deviations below 0.95
  EXPECT_LE(covered, kTrials * 0.995);
}

TEST(BootstrapInterval, HasTheWidthOfTheBinomialDistribution) {
  const Estimate accuracy = Bootstrap({{coin_tosses(400, 0.7, 3)}}, 2000, 1).of(0).front();
  const double deviation = std::sqrt(accuracy.mean * (1 - accuracy.mean) / 400);
  EXPECT_NEAR((accuracy.high - accuracy.low) / (2 * 1.96 * deviation), 1, 0.1);
}

TEST(BootstrapDifference, OfEqualAnswersIsZeroSinceResamplesArePaired) {
  const Answers answers = coin_tosses(50, 0.6, 5);
  const Bootstrap bootstrap({{answers}, {answers}}, 100, 1);
  for (const Estimate& gap : bootstrap.difference(0, 1)) {
    EXPECT_EQ(gap.mean, 0);
    EXPECT_EQ(gap.low, 0);
    EXPECT_EQ(gap.high, 0);
  }
}

TEST(Bootstrap, AveragesAMethodOverItsSeeds) {
  const Answers all = coin_tosses(10, 1, 1), none = coin_tosses(10, 0, 1);
  const Bootstrap bootstrap({{all, none}, {none}}, 0, 1);
  EXPECT_EQ(bootstrap.of(0).front().mean, 0.5);
  EXPECT_EQ(bootstrap.of(0).front().low, 0.5);
  EXPECT_EQ(bootstrap.difference(0, 1).front().mean, 0.5);
}

}  // namespace
}  // namespace terramill::eval
