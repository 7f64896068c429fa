#include <terramill/fault/guard.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::fault {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A guard with what it accepted.
class Trained {
 public:
  explicit Trained(GuardOptions options) : guard_(options) {}
  std::optional<std::string> objection(double loss, double norm) const {
    return guard_.objection(window, loss, norm);
  }
  void accept(double loss, double norm) { guard_.accept(window, loss, norm); }

  Guard::Window window;

 private:
  Guard guard_;
};

/// After `steps` steps of losses around 2 and norms around 1.
Trained trained(GuardOptions options, int steps = 40) {
  Trained guard(options);
  for (int i = 0; i < steps; ++i) guard.accept(2 + 0.1 * std::sin(i), 1 + 0.05 * std::cos(i));
  return guard;
}

TEST(RobustScale, IsThatOfANormalSampleWhateverItsTailHolds) {
  std::vector<double> sample;
  // Quantiles of a normal distribution of mean 5 and deviation 2, a tenth of them thrown far away.
  for (const double z : {-1.6449, -1.0364, -0.6745, -0.3853, -0.1257, 0.1257, 0.3853, 0.6745, 1.0364}) {
    sample.push_back(5 + 2 * z);
  }
  sample.push_back(1e9);
  const RobustScale scale = robust_scale(sample);
  EXPECT_NEAR(scale.median, 5, 0.3);
  EXPECT_NEAR(scale.deviation, 2, 0.7);
}

TEST(Guard, WhatIsNotFiniteNeverCounts) {
  const Trained guard({});
  EXPECT_TRUE(guard.objection(kNan, 1));
  EXPECT_TRUE(guard.objection(kInfinity, 1));
  EXPECT_TRUE(guard.objection(1, kNan));
  EXPECT_TRUE(guard.objection(1, kInfinity));
  EXPECT_FALSE(guard.objection(1e30, 1e30));
}

TEST(Guard, ASpikeIsSeenAgainstTheWindowAndOnlyUpwards) {
  const Trained guard = trained({8, 8, 100});
  EXPECT_FALSE(guard.objection(2.05, 1.02));
  EXPECT_TRUE(guard.objection(6, 1));
  EXPECT_TRUE(guard.objection(2, 6));
  EXPECT_FALSE(guard.objection(0.1, 0.01));
  EXPECT_NE(guard.objection(2, 6)->find("norm"), std::string::npos);
}

TEST(Guard, SpikesCountOnlyWhereAskedForAndOnceTheWindowIsFilled) {
  EXPECT_FALSE(trained({0, 0, 100}).objection(1e6, 1e6));
  EXPECT_FALSE(trained({8, 0, 100}).objection(2, 1e6));
  EXPECT_FALSE(trained({8, 8, 100}, static_cast<int>(Guard::kLeastSteps) - 1).objection(1e6, 1e6));
  EXPECT_TRUE(trained({8, 8, 100}, static_cast<int>(Guard::kLeastSteps)).objection(1e6, 1e6));
}

TEST(Guard, OutliersThatWereAcceptedDoNotHideTheNext) {
  Trained guard = trained({8, 0, 40});
  for (int i = 0; i < 10; ++i) guard.accept(50, 1);
  EXPECT_TRUE(guard.objection(50, 1));
}

TEST(Guard, AConstantLossHasASmallestDeviation) {
  Trained guard({8, 0, 50});
  for (int i = 0; i < 50; ++i) guard.accept(2, 1);
  EXPECT_FALSE(guard.objection(2.001, 1));
  EXPECT_TRUE(guard.objection(2.1, 1));
}

TEST(Guard, ARestoredWindowJudgesAlike) {
  const Trained guard = trained({8, 8, 30});
  EXPECT_EQ(guard.window.size(), 30U);
  Trained again({8, 8, 30});
  again.window = guard.window;
  for (const double loss : {2.0, 2.4, 2.6, 2.8, 3.0, 4.0}) {
    EXPECT_EQ(guard.objection(loss, 1), again.objection(loss, 1));
  }
}

TEST(OddReplicas, AMajorityNamesTheRest) {
  using Odd = std::optional<std::vector<int>>;
  const auto odd = [](std::vector<std::uint64_t> hashes) { return odd_replicas(hashes); };
  EXPECT_EQ(odd({7}), std::nullopt);
  EXPECT_EQ(odd({7, 7, 7}), std::nullopt);
  EXPECT_EQ(odd({7, 8, 7}), Odd(std::vector<int>{1}));
  EXPECT_EQ(odd({9, 7, 7, 8, 7}), Odd(std::vector<int>{0, 3}));
  EXPECT_EQ(odd({7, 8}), Odd(std::vector<int>{})) << "two cannot decide";
  EXPECT_EQ(odd({7, 7, 8, 8}), Odd(std::vector<int>{}));
  EXPECT_EQ(odd({7, 8, 9}), Odd(std::vector<int>{}));
}

}  // namespace
}  // namespace terramill::fault
