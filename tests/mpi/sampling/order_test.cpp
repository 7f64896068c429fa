#include "sampling/order.hpp"

#include "sampling/slices.hpp"

#include <terramill/core/philox.hpp>

#include <algorithm>
#include <tuple>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

TEST(Slices, EveryItemHasOneOwner) {
  for (const std::uint64_t total : {1u, 4u, 17u, 1000u}) {
    for (const int size : {1, 2, 3, 5, 8}) {
      EXPECT_EQ(slice_begin(total, size, size), total);
      for (std::uint64_t item = 0; item < total; ++item) {
        const int owner = slice_owner(total, size, item);
        EXPECT_LE(slice_begin(total, size, owner), item);
        EXPECT_LT(item, slice_begin(total, size, owner + 1));
      }
    }
  }
}

std::vector<KeyedEntry> items_of(int rank, std::uint64_t keys) {
  std::vector<KeyedEntry> items;
  for (std::uint32_t i = 0; i < 50 + 13 * static_cast<std::uint32_t>(rank); ++i) {
    PhiloxStream stream(3, Purpose::kTest, static_cast<std::uint64_t>(rank), i);
    items.push_back({stream.below(keys), {i, static_cast<std::uint32_t>(rank), i}});
  }
  return items;
}

TEST(SortEntries, IsTheSortOfTheWholeInExactSlicesEvenWithFewKeys) {
  const auto comm = mpi::Communicator::world();
  for (const std::uint64_t keys : {1u, 3u, 1u << 30}) {
    std::vector<KeyedEntry> all;
    for (int rank = 0; rank < comm.size(); ++rank) {
      const auto theirs = items_of(rank, keys);
      all.insert(all.end(), theirs.begin(), theirs.end());
    }
    std::sort(all.begin(), all.end(), [](const KeyedEntry& a, const KeyedEntry& b) {
      return std::tie(a.key, a.entry.shard, a.entry.row) < std::tie(b.key, b.entry.shard, b.entry.row);
    });
    const auto sorted = sort_entries(comm, items_of(comm.rank(), keys));
    const std::uint64_t begin = slice_begin(all.size(), comm.size(), comm.rank());
    ASSERT_EQ(sorted.size(), slice_begin(all.size(), comm.size(), comm.rank() + 1) - begin);
    for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(sorted[i], all[begin + i].entry);
  }
}

TEST(SortEntries, OfNothingIsNothing) { EXPECT_TRUE(sort_entries(mpi::Communicator::world(), {}).empty()); }

}  // namespace
}  // namespace terramill::sampling
