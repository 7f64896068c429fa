#include <terramill/train/stragglers.hpp>

#include <vector>

#include <gtest/gtest.h>

namespace terramill::train {
namespace {

/// Four equal ranks: a second of compute, no waiting.
std::vector<RankLoad> equal_ranks() { return std::vector<RankLoad>(4, RankLoad{1, 0, 0}); }

TEST(Straggler, EqualRanksHaveNone) { EXPECT_FALSE(find_straggler(equal_ranks(), 1.5, 0.05)); }

TEST(Straggler, TheSlowRankAndItsPhaseAreNamed) {
  std::vector<RankLoad> ranks = equal_ranks();
  ranks[2].compute = 1.8;
  const auto found = find_straggler(ranks, 1.5, 0.05);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 2);
  EXPECT_EQ(found->phase, "compute");
  EXPECT_DOUBLE_EQ(found->seconds, 1.8);
  EXPECT_DOUBLE_EQ(found->others, 1);
  EXPECT_FALSE(find_straggler(ranks, 2, 0.05)) << "below the factor";
}

TEST(Straggler, WhatNoOneNoticesIsNoFinding) {
  std::vector<RankLoad> ranks = equal_ranks();
  ranks[0].data_wait = 0.01;  // infinitely more than the others' 0
  EXPECT_FALSE(find_straggler(ranks, 1.5, 0.05));
  ranks[0].data_wait = 0.2;
  ASSERT_TRUE(find_straggler(ranks, 1.5, 0.05));
  EXPECT_EQ(find_straggler(ranks, 1.5, 0.05)->phase, "data_wait");
}

TEST(Straggler, TheLargestExcessCounts) {
  std::vector<RankLoad> ranks = equal_ranks();
  ranks[1].compute = 2;
  ranks[3].checkpoint = 5;
  const auto found = find_straggler(ranks, 1.5, 0.05);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 3);
  EXPECT_EQ(found->phase, "checkpoint");
}

TEST(Straggler, OfTwoRanksTheSlowerIsNamedAndOneAloneIsNever) {
  const std::vector<RankLoad> two{{1, 0, 0}, {2, 0, 0}};
  ASSERT_TRUE(find_straggler(two, 1.5, 0.05));
  EXPECT_EQ(find_straggler(two, 1.5, 0.05)->rank, 1);
  EXPECT_FALSE(find_straggler(std::span(two).first(1), 1.5, 0.05));
}

TEST(StepPhases, WhatIsNeitherCommunicationNorDataIsCompute) {
  PhaseSeconds between;
  between.seconds[static_cast<std::size_t>(Phase::kExposed)] = 0.25;
  between.seconds[static_cast<std::size_t>(Phase::kDataWait)] = 0.5;
  between.hidden = 0.125;
  StepPhases phases = StepPhases::of(2, between);
  EXPECT_DOUBLE_EQ(phases.compute, 1.25);
  EXPECT_DOUBLE_EQ(phases.communication_hidden, 0.125);
  phases += phases;
  EXPECT_DOUBLE_EQ(phases.compute + phases.communication_exposed + phases.data_wait, 4);
}

}  // namespace
}  // namespace terramill::train
