#include "sampling/threshold.hpp"

#include <terramill/core/philox.hpp>

#include <algorithm>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

/// Keys with many ties: `values` different ones. Every rank can make every rank's.
std::vector<std::uint64_t> keys_of(int rank, std::uint64_t values) {
  PhiloxStream stream(9, Purpose::kTest, static_cast<std::uint64_t>(rank), values);
  std::vector<std::uint64_t> keys(37 + 11 * static_cast<std::size_t>(rank));
  for (auto& key : keys) key = stream.below(values) * 0x123456789abcdefULL;
  return keys;
}

TEST(FindThresholds, TakesTheSmallestOfEachGroupAndTiesInRankOrder) {
  const auto comm = mpi::Communicator::world();
  for (const std::uint64_t values : {3u, 20u, 100000u}) {
    const auto keys = keys_of(comm.rank(), values);
    std::vector<std::uint8_t> groups(keys.size());
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<std::uint8_t>(i % 2);

    struct Item {
      std::uint64_t key;
      int rank;
      std::size_t position;
      auto operator<=>(const Item&) const = default;
    };
    std::vector<Item> all[2];
    for (int rank = 0; rank < comm.size(); ++rank) {
      const auto theirs = keys_of(rank, values);
      for (std::size_t i = 0; i < theirs.size(); ++i) all[i % 2].push_back({theirs[i], rank, i});
    }
    std::vector<Target> targets;
    for (std::uint32_t group : {0u, 1u}) {
      std::sort(all[group].begin(), all[group].end());
      for (std::uint64_t count :
           {std::uint64_t{1}, std::uint64_t{7}, all[group].size() / 2, all[group].size()}) {
        targets.push_back({group, count});
      }
    }
    const auto found = find_thresholds(comm, keys, groups, 2, targets);
    for (std::size_t t = 0; t < targets.size(); ++t) {
      std::vector<std::size_t> taken, wanted;
      std::uint64_t ties = found[t].ties;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (groups[i] != targets[t].group) continue;
        if (keys[i] < found[t].key || (keys[i] == found[t].key && ties > 0)) {
          if (keys[i] == found[t].key) --ties;
          taken.push_back(i);
        }
      }
      for (std::size_t k = 0; k < targets[t].count; ++k) {
        const Item& item = all[targets[t].group][k];
        if (item.rank == comm.rank()) wanted.push_back(item.position);
      }
      std::sort(wanted.begin(), wanted.end());
      EXPECT_EQ(taken, wanted) << values << " values, target " << t;
    }
  }
}

TEST(FindThresholds, WorksWhereARankHasNothing) {
  const auto comm = mpi::Communicator::world();
  std::vector<std::uint64_t> keys;
  if (comm.rank() == comm.size() - 1) keys = {5, 3, 9};
  const auto found = find_thresholds(comm, keys, {}, 1, std::vector<Target>{{0, 2}});
  EXPECT_EQ(found[0].key, 5u);
  EXPECT_EQ(comm.sum(found[0].ties), 1u);
}

}  // namespace
}  // namespace terramill::sampling
