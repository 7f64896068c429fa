#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/checkpoint/parity_sets.hpp>

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace terramill::checkpoint {
namespace {

/// `per_node` ranks on each of `nodes` nodes, whose failure group is that of number / `per_group`.
std::vector<RankPlace> places(int nodes, int per_node, int per_group = 1) {
  std::vector<RankPlace> all;
  for (int r = 0; r < nodes * per_node; ++r) {
    const int node = r / per_node;
    all.push_back({"node" + std::to_string(node), "switch" + std::to_string(node / per_group)});
  }
  return all;
}

TEST(ParitySets, TakeEveryRankOnceWithRanksOfOtherNodes) {
  for (int nodes = 2; nodes <= 13; ++nodes) {
    for (int per_set = 2; per_set <= 5; ++per_set) {
      const auto ranks = places(nodes, 3);
      std::multiset<int> taken;
      for (const auto& group : parity_groups(ranks, per_set)) {
        EXPECT_LE(group.size(), static_cast<std::size_t>(std::max(per_set, 3)));
        std::set<std::string> hosts;
        for (const int rank : group) hosts.insert(ranks[static_cast<std::size_t>(rank)].node);
        EXPECT_EQ(hosts.size(), group.size());
        taken.insert(group.begin(), group.end());
      }
      EXPECT_EQ(taken.size(), ranks.size()) << nodes << " nodes, sets of " << per_set;
      EXPECT_EQ(std::set<int>(taken.begin(), taken.end()).size(), ranks.size());
    }
  }
}

TEST(ParitySets, PartTheNodesOfAFailureGroup) {
  const auto ranks = places(8, 2, 2);  // four switches with two nodes each
  for (const auto& group : parity_groups(ranks, 4)) {
    std::set<std::string> switches;
    for (const int rank : group) switches.insert(ranks[static_cast<std::size_t>(rank)].failure_group);
    EXPECT_EQ(switches.size(), group.size());
  }
}

TEST(ParitySets, LeaveOutWhoHasNoPartner) {
  EXPECT_TRUE(parity_groups(places(1, 4), 4).empty());
  EXPECT_TRUE(parity_groups(places(4, 1), 0).empty());
  std::vector<RankPlace> ranks = places(2, 1);
  ranks.push_back({"node1", "switch1"});  // a second rank that node0 lacks
  const auto groups = parity_groups(ranks, 2);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0], (std::vector<int>{0, 1}));
}

Json part(int rank, const std::vector<int>& group, int holder) {
  return {{"rank", rank}, {"group", group}, {"holder", holder}, {"ranks", 4}, {"segment", 8}};
}

TEST(RestorePlan, RebuildsOneOfEachSetAndRefusesTwo) {
  const std::vector<int> even{0, 2}, odd{1, 3};
  const Json all = Json::array({part(0, even, 0), part(1, odd, 1), part(2, even, 2), part(3, odd, 3)});
  EXPECT_TRUE(plan_restore(all).fault.empty());
  EXPECT_TRUE(plan_restore(all).rebuilds.empty());

  const RestorePlan both = plan_restore(all, {0, 3});
  EXPECT_EQ(both.fault, "");
  ASSERT_EQ(both.rebuilds.size(), 2U);
  EXPECT_EQ(both.rebuilds[0].lost, 0);
  EXPECT_EQ(both.rebuilds[0].by, 2);

  const std::string fault = plan_restore(all, {1, 3}).fault;
  EXPECT_NE(fault.find("ranks 1, 3"), std::string::npos) << fault;
  EXPECT_NE(plan_restore(Json::array({part(0, even, 0), part(2, even, 2)})).fault, "")
      << "nobody knows of ranks 1 and 3";
  EXPECT_NE(plan_restore(Json::array()).fault, "");
}

TEST(RestorePlan, RefusesALossWithoutParity) {
  const Json parts = Json::array({part(0, {0}, 0), part(1, {1}, 0), part(2, {2}, 0), part(3, {3}, 0)});
  EXPECT_EQ(plan_restore(parts).fault, "");
  EXPECT_NE(plan_restore(parts, {2}).fault.find("rank 2"), std::string::npos);
}

}  // namespace
}  // namespace terramill::checkpoint
