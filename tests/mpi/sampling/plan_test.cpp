#include "invented_index.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

class PlanEpoch : public testing::Test {
 protected:
  PlanEpoch()
      : comm_(mpi::Communicator::world()),
        scratch_(comm_),
        records_(invented_records(2003, 100)),
        manifest_(write_index(comm_, scratch_ / "index.h5", records_)),
        index_(scratch_ / "index.h5") {
    for (const auto& record : records_) by_key_[xxh3(record.tile_id)] = &record;
  }

  Plan plan(const SamplingOptions& options, std::uint64_t epoch = 0) {
    return plan_epoch(comm_, index_, manifest_, options, epoch);
  }
  /// The whole plan, on every rank.
  std::vector<PlanEntry> all(const Plan& plan) {
    std::vector<std::uint64_t> positions(plan.total());
    for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = i;
    return fetch(comm_, plan, positions);
  }
  /// How often each tile is among the first `plan.tiles` positions.
  std::map<std::uint64_t, std::uint64_t> occurrences(const Plan& plan) {
    std::map<std::uint64_t, std::uint64_t> times;
    const auto entries = all(plan);
    for (std::size_t i = 0; i < plan.tiles; ++i) ++times[entries[i].tile_key];
    return times;
  }
  const corpus::TileRecord& record(const PlanEntry& entry) { return *by_key_.at(entry.tile_key); }

  mpi::Communicator comm_;
  SharedScratch scratch_;
  std::vector<corpus::TileRecord> records_;
  corpus::Manifest manifest_;
  corpus::IndexReader index_;
  std::map<std::uint64_t, const corpus::TileRecord*> by_key_;
};

TEST_F(PlanEpoch, IsTheSameForAnyRankCount) {
  std::vector<SamplingOptions> cases(4);
  cases[1].strategy = cases[2].strategy = "landcover";
  cases[1].tiles = 700;
  cases[2].biome_strata = true;
  cases[2].tiles = 5000;
  cases[3].shuffle_window = 3;
  const auto alone = mpi::Communicator::self();
  for (std::size_t c = 0; c < cases.size(); ++c) {
    cases[c].seed = 77;
    const Plan reference = plan_epoch(alone, index_, manifest_, cases[c], 4);
    for (int ranks = 1; ranks <= comm_.size(); ++ranks) {
      const auto part = comm_.split(comm_.rank() < ranks ? 0 : 1, comm_.rank());
      const Plan own = plan_epoch(part, index_, manifest_, cases[c], 4);
      EXPECT_EQ(own.strata, reference.strata);
      ASSERT_LE(own.begin + own.entries.size(), reference.entries.size());
      EXPECT_TRUE(std::equal(own.entries.begin(), own.entries.end(),
                             reference.entries.begin() + static_cast<std::ptrdiff_t>(own.begin)))
          << "case " << c << ", " << ranks << " ranks";
    }
  }
}

TEST_F(PlanEpoch, NaturalTakesEveryEligibleTileOnce) {
  const Plan epoch = plan({});
  const auto times = occurrences(epoch);
  std::uint64_t eligible = 0;
  for (const auto& record : records_) eligible += record.split == corpus::Split::kTrain ? 1 : 0;
  EXPECT_EQ(epoch.tiles, eligible);
  EXPECT_EQ(times.size(), eligible);
  EXPECT_EQ(epoch.reserve, 17u) << "one percent, rounded up";
  for (const auto& entry : all(epoch)) {
    EXPECT_EQ(record(entry).shard, entry.shard);
    EXPECT_EQ(record(entry).row, entry.row);
  }
}

TEST_F(PlanEpoch, EveryStratumGetsExactlyItsQuota) {
  SamplingOptions options;
  options.strategy = "landcover";
  options.tiles = 777;
  const Plan epoch = plan(options);
  std::vector<std::uint64_t> count(epoch.strata.size()), reserve(epoch.strata.size());
  const auto entries = all(epoch);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto stratum = static_cast<std::size_t>(dominant_class(record(entries[i]).land_cover));
    ++(i < epoch.tiles ? count : reserve)[stratum];
  }
  std::vector<std::uint64_t> available, quota;
  for (std::size_t s = 0; s < epoch.strata.size(); ++s) {
    EXPECT_EQ(count[s], epoch.strata[s].quota);
    EXPECT_EQ(reserve[s], epoch.strata[s].reserve);
    available.push_back(epoch.strata[s].available);
    quota.push_back(epoch.strata[s].quota);
  }
  EXPECT_EQ(quota, apportion(available, 0.5, 777));
}

TEST_F(PlanEpoch, AStratumIsRepeatedWholeBeforeAnyTileIsTakenOnceMore) {
  SamplingOptions options;
  options.strategy = "landcover";
  options.balance_exponent = 0;
  options.tiles = 1500;
  const Plan epoch = plan(options);
  const auto times = occurrences(epoch);
  std::uint64_t most = 0;
  for (const Stratum& stratum : epoch.strata) {
    if (stratum.available == 0) continue;
    std::uint64_t tiles = 0;
    for (const auto& record : records_) {
      if (record.split != corpus::Split::kTrain || dominant_class(record.land_cover) != stratum.land_cover)
        continue;
      const auto found = times.find(xxh3(record.tile_id));
      const std::uint64_t taken = found == times.end() ? 0 : found->second;
      EXPECT_GE(taken, stratum.quota / stratum.available);
      EXPECT_LE(taken, stratum.repeats());
      most = std::max(most, taken);
      ++tiles;
    }
    EXPECT_EQ(tiles, stratum.available);
  }
  EXPECT_GT(most, 2u) << "the rarest class must be repeated";
}

TEST_F(PlanEpoch, NoTileIsTakenTwiceWhereThereAreEnoughAndTheReserveIsFresh) {
  SamplingOptions options;
  options.tiles = 600;
  options.reserve_share = 0.1;
  const Plan epoch = plan(options);
  std::set<std::uint64_t> keys;
  for (const auto& entry : all(epoch)) keys.insert(entry.tile_key);
  EXPECT_EQ(epoch.reserve, 60u);
  EXPECT_EQ(keys.size(), 660u);
  EXPECT_EQ(fetch_reserve(comm_, epoch).size(), 60u);
  const auto entries = all(epoch);
  EXPECT_TRUE(std::equal(entries.begin() + 600, entries.end(), fetch_reserve(comm_, epoch).begin()));
}

TEST_F(PlanEpoch, FiltersKeepSplitAndModalities) {
  SamplingOptions options;
  options.split = "test";
  options.modalities = "sentinel2, sentinel1";
  const Plan epoch = plan(options);
  std::uint64_t eligible = 0;
  for (std::size_t i = 0; i < records_.size(); ++i) eligible += i % 5 == 4 && i % 7 != 3 ? 1 : 0;
  EXPECT_EQ(epoch.tiles, eligible);
  for (const auto& entry : all(epoch)) {
    const auto id = std::stoul(record(entry).tile_id.substr(5));
    EXPECT_TRUE(id % 5 == 4 && id % 7 != 3);
  }
}

TEST_F(PlanEpoch, EpochsAndSeedsGiveDifferentOrders) {
  SamplingOptions options;
  const auto first = all(plan(options, 0));
  EXPECT_NE(first, all(plan(options, 1)));
  options.seed = 1;
  EXPECT_NE(first, all(plan(options, 0)));
  options.seed = 0;
  EXPECT_EQ(first, all(plan(options, 0)));
}

TEST_F(PlanEpoch, AWindowHoldsWholeShards) {
  SamplingOptions options;
  options.shuffle_window = 3;
  const Plan epoch = plan(options);
  const auto entries = all(epoch);
  std::map<std::uint32_t, std::pair<std::size_t, std::size_t>> extent;  // shard: first and last position
  for (std::size_t i = 0; i < epoch.tiles; ++i) {
    auto [at, added] = extent.try_emplace(entries[i].shard, i, i);
    at->second.second = i;
  }
  std::vector<std::pair<std::size_t, std::uint32_t>> order;
  for (const auto& [shard, range] : extent) order.emplace_back(range.first, shard);
  std::sort(order.begin(), order.end());
  bool permuted = false, mixed = false;
  for (std::size_t i = 0; i < order.size(); ++i) {
    permuted |= order[i].second != i;
    const auto& range = extent.at(order[i].second);
    EXPECT_LT(range.second - range.first, 3 * 100u) << "a shard's tiles lie within one window";
    if (i > 0) mixed |= extent.at(order[i - 1].second).second > range.first;
  }
  EXPECT_TRUE(permuted);
  EXPECT_TRUE(mixed);
}

TEST_F(PlanEpoch, FetchGivesEachRankWhatItAsksFor) {
  const Plan epoch = plan({});
  const auto entries = all(epoch);
  std::vector<std::uint64_t> positions;
  for (std::uint64_t i = 0; i < 100; ++i) {
    positions.push_back((i * 7919 + static_cast<std::uint64_t>(comm_.rank()) * 31) % epoch.total());
  }
  if (comm_.rank() == 1) positions.clear();
  const auto got = fetch(comm_, epoch, positions);
  ASSERT_EQ(got.size(), positions.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], entries[positions[i]]);
  const std::vector<std::uint64_t> beyond = {epoch.total()};
  EXPECT_THROW(fetch(comm_, epoch, beyond), UsageError);
}

TEST_F(PlanEpoch, ImpossibleQuotasAreRefusedWithTheirReason) {
  SamplingOptions nothing;
  nothing.split = "validation";
  SamplingOptions often;
  often.strategy = "landcover";
  often.balance_exponent = 0;
  often.tiles = 1600;
  often.max_repeats = 2;
  for (const auto& [options, reason] : {std::pair(nothing, "of 2003 tiles none is of split validation"),
                                        std::pair(often, "more than max_repeats = 2")}) {
    try {
      plan(options);
      ADD_FAILURE() << "accepted: " << reason;
    } catch (const UsageError& error) {
      EXPECT_NE(error.message().find(reason), std::string::npos) << error.message();
    }
  }
}

}  // namespace
}  // namespace terramill::sampling
