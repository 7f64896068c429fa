#include "invented_index.hpp"
#include "sampling/region.hpp"
#include "sampling/weights.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

constexpr const char* kTriangle =
    R"({"type": "Polygon", "coordinates": [[[-100,-60],[75,-40],[0,75],[-100,-60]]]})";

/// `invented_records` spread over the Earth and the year 2019, one in eleven without a place, a date or a
/// cloud share, one in three of ocean, one in 97 without land cover.
std::vector<corpus::TileRecord> spread_records(std::uint64_t count) {
  auto records = invented_records(count, 100);
  for (std::uint64_t i = 0; i < count; ++i) {
    PhiloxStream stream(6, Purpose::kTest, i);
    corpus::TileRecord& record = records[i];
    const double lon = stream.uniform(-180, 180), lat = stream.uniform(-85, 85);
    const double cloud = stream.uniform(0, 100);
    const int month = 1 + static_cast<int>(stream.below(12)), day = 1 + static_cast<int>(stream.below(28));
    const auto two = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    if (i % 11 != 0) {
      record.lon = lon;
      record.lat = lat;
    }
    if (i % 11 != 1) record.date = "2019-" + two(month) + "-" + two(day);
    if (i % 11 != 2) record.cloud = static_cast<float>(cloud);
    if (stream.below(3) == 0) {
      record.land_cover = {};
      record.land_cover[0] = 4000;
      record.land_cover[1] = 96;
    }
    if (i % 97 == 5) record.land_cover = {};
  }
  return records;
}

class Choice : public testing::Test {
 protected:
  Choice()
      : comm_(mpi::Communicator::world()),
        scratch_(comm_),
        records_(spread_records(3001)),
        manifest_(write_index(comm_, scratch_ / "index.h5", records_)),
        index_(scratch_ / "index.h5") {
    for (const auto& record : records_) by_key_[xxh3(record.tile_id)] = &record;
    mpi::all_or_none(comm_, [&] {
      if (comm_.rank() == 0) write_file_durably(scratch_ / "area.geojson", kTriangle);
    });
  }

  static SamplingOptions everything() {
    SamplingOptions options;
    options.split = "all";
    options.reserve_share = 0;
    return options;
  }
  Plan plan(const SamplingOptions& options, std::uint64_t epoch = 0) {
    return plan_epoch(comm_, index_, manifest_, options, epoch);
  }
  /// The tiles at positions [0, tiles), in order.
  std::vector<const corpus::TileRecord*> tiles(const Plan& plan) {
    std::vector<std::uint64_t> positions(plan.tiles);
    for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = i;
    std::vector<const corpus::TileRecord*> chosen;
    for (const PlanEntry& entry : fetch(comm_, plan, positions)) chosen.push_back(by_key_.at(entry.tile_key));
    return chosen;
  }
  std::set<std::string> ids(const Plan& plan) {
    std::set<std::string> names;
    for (const auto* record : tiles(plan)) names.insert(record->tile_id);
    return names;
  }
  std::string refusal(const SamplingOptions& options) {
    try {
      plan(options);
    } catch (const UsageError& error) {
      return error.message();
    }
    ADD_FAILURE() << "the options were accepted";
    return "";
  }

  mpi::Communicator comm_;
  SharedScratch scratch_;
  std::vector<corpus::TileRecord> records_;
  corpus::Manifest manifest_;
  corpus::IndexReader index_;
  std::map<std::uint64_t, const corpus::TileRecord*> by_key_;
};

TEST_F(Choice, EveryFilterKeepsWhatALoopOverTheRecordsKeeps) {
  using Record = corpus::TileRecord;
  const Region triangle = Region::from_geojson(kTriangle, "");
  const std::vector<std::pair<std::function<void(SamplingOptions&)>, std::function<bool(const Record&)>>>
      cases = {
          {[](auto& o) { o.region = "-30,-10,60,50"; },
           [](const Record& r) { return r.lon >= -30 && r.lon <= 60 && r.lat >= -10 && r.lat <= 50; }},
          {[](auto& o) { o.region = "150,-90,-100,90"; },
           [](const Record& r) { return r.lon >= 150 || r.lon <= -100; }},
          {[&](auto& o) { o.region = (scratch_ / "area.geojson").string(); },
           [&](const Record& r) { return triangle.contains(r.lon, r.lat); }},
          {[](auto& o) { o.date_from = "2019-03-15"; },
           [](const Record& r) { return r.date >= "2019-03-15"; }},
          {[](auto& o) { o.date_to = "2019-03-15"; },
           [](const Record& r) { return !r.date.empty() && r.date <= "2019-03-15"; }},
          {[](auto& o) { o.months = "1, 12"; },
           [](const Record& r) {
             return r.date.substr(0, 7) == "2019-01" || r.date.substr(0, 7) == "2019-12";
           }},
          {[](auto& o) { o.biomes = "-1,1"; }, [](const Record& r) { return r.biome != 0; }},
          {[](auto& o) { o.max_cloud = 20; }, [](const Record& r) { return !(r.cloud > 20); }},
          {[](auto& o) { o.cloud_unknown = "drop"; }, [](const Record& r) { return !std::isnan(r.cloud); }},
      };
  for (std::size_t c = 0; c < cases.size(); ++c) {
    SamplingOptions options = everything();
    cases[c].first(options);
    std::set<std::string> expected;
    for (const Record& record : records_) {
      if (cases[c].second(record)) expected.insert(record.tile_id);
    }
    const Plan own = plan(options);
    EXPECT_EQ(ids(own), expected) << "case " << c;
    EXPECT_GT(expected.size(), 50u) << "case " << c;
    ASSERT_EQ(own.filters.size(), 1u);
    EXPECT_EQ(own.filters[0].passed, expected.size());
    EXPECT_EQ(own.in_index, records_.size());
  }
}

TEST_F(Choice, APlanHasTheSameBytesForAnyRankCount) {
  std::vector<SamplingOptions> cases;
  for (const char* strategy : {"natural", "landcover", "composition", "diversity"}) {
    for (const std::int64_t wanted : {700, 5000}) {
      SamplingOptions options;
      options.strategy = strategy;
      options.tiles = wanted;
      options.seed = 9;
      cases.push_back(options);
      options.region = (scratch_ / "area.geojson").string();
      options.date_from = "2019-02-01";
      options.months = "2,3,4,5,6,7,8,9";
      options.biomes = "0,1";
      options.max_cloud = 80;
      options.modalities = "sentinel1";
      options.drop_ocean = 0.7;
      options.tiles = wanted / 10;
      options.reserve_share = 0.2;
      cases.push_back(options);
    }
  }
  for (std::size_t c = 0; c < cases.size(); ++c) {
    for (int ranks = 1; ranks <= comm_.size(); ++ranks) {
      const auto part = comm_.split(comm_.rank() < ranks ? 0 : 1 + comm_.rank(), comm_.rank());
      if (comm_.rank() >= ranks) continue;
      const Plan own = plan_epoch(part, index_, manifest_, cases[c], 2);
      write_plan(part, own, scratch_ / (std::to_string(ranks) + ".h5"));
      const Plan again = read_plan(part, scratch_ / (std::to_string(ranks) + ".h5"));
      EXPECT_EQ(again.options, cases[c]);
      EXPECT_EQ(again.region_hash, own.region_hash);
      EXPECT_EQ(again.classes_before, own.classes_before);
      EXPECT_EQ(again.classes_after, own.classes_after);
    }
    comm_.barrier();
    if (comm_.rank() == 0) {
      for (int ranks = 2; ranks <= comm_.size(); ++ranks) {
        EXPECT_EQ(read_bytes(scratch_ / "1.h5"), read_bytes(scratch_ / (std::to_string(ranks) + ".h5")))
            << "case " << c << ", " << ranks << " ranks";
      }
    }
    comm_.barrier();
  }
}

TEST_F(Choice, ClassesBeforeAndAfterAreThoseOfTheTiles) {
  SamplingOptions options = everything();
  options.strategy = "composition";
  options.tiles = 800;
  options.max_cloud = 70;
  const Plan own = plan(options);
  ClassCounts before{}, after{};
  for (const auto& record : records_) {
    if (!(record.cloud > 70)) ++before[static_cast<std::size_t>(dominant_class(record.land_cover))];
  }
  for (const auto* record : tiles(own)) ++after[static_cast<std::size_t>(dominant_class(record->land_cover))];
  EXPECT_EQ(own.classes_before, before);
  EXPECT_EQ(own.classes_after, after);
}

TEST_F(Choice, OceanIsThinnedExactlyAndByTheSameTilesInEveryEpoch) {
  std::uint64_t ocean = 0;
  for (const auto& record : records_) ocean += record.land_cover[0] > 0 ? 1 : 0;
  const std::uint64_t others = records_.size() - ocean;
  std::set<std::string> smaller;
  for (const double dropped : {0.98, 0.5, 0.0, 1.0}) {
    SamplingOptions options = everything();
    options.drop_ocean = dropped;
    const Plan own = plan(options);
    EXPECT_EQ(own.tiles, others + static_cast<std::uint64_t>(
                                      std::floor(static_cast<double>(ocean) * (1 - dropped) + 0.5)));
    EXPECT_EQ(ids(own), ids(plan(options, 3))) << "the same tiles in every epoch";
    EXPECT_EQ(own.classes_before[0] - own.classes_after[0], records_.size() - own.tiles);
    const auto kept = ids(own);
    for (const auto& record : records_) {  // without land cover is not of ocean
      if (record.land_cover != decltype(record.land_cover){}) continue;
      EXPECT_TRUE(kept.contains(record.tile_id));
    }
    if (dropped == 0.98) smaller = ids(own);
    if (dropped == 0.5) {
      const auto larger = ids(own);
      EXPECT_TRUE(std::includes(larger.begin(), larger.end(), smaller.begin(), smaller.end()));
    }
  }
}

/// What one process selects with a sort.
std::set<std::string> reference(const std::vector<corpus::TileRecord>& records,
                                const SamplingOptions& options, std::uint64_t epoch) {
  ClassPixels pixels{};
  for (const auto& record : records) {
    std::uint64_t sum = 0;
    for (std::size_t c = 0; c < pixels.size(); ++c) {
      pixels[c] += record.land_cover[c];
      sum += record.land_cover[c];
    }
    if (sum == 0) pixels[0] += 64 * 64;
  }
  const ClassPixels factors = composition_factors(pixels, options.balance_exponent);
  std::vector<std::pair<std::uint64_t, std::string>> order;
  for (const auto& record : records) {
    const std::uint64_t x = philox_key(static_cast<std::uint64_t>(options.seed), Purpose::kSelection, epoch,
                                       xxh3(record.tile_id));
    const double weight = options.strategy == "diversity" ? diversity_weight(record.land_cover)
                                                          : composition_weight(record.land_cover, factors);
    order.emplace_back(weighted_key(x, weight), record.tile_id);
  }
  std::sort(order.begin(), order.end());
  std::set<std::string> chosen;
  for (std::int64_t i = 0; i < options.tiles; ++i) chosen.insert(order[static_cast<std::size_t>(i)].second);
  return chosen;
}

TEST_F(Choice, WeightedSelectionIsThatOfASortOnOneProcess) {
  for (const char* strategy : {"composition", "diversity"}) {
    for (const std::int64_t wanted : {1, 500, 3000}) {
      SamplingOptions options = everything();
      options.strategy = strategy;
      options.tiles = wanted;
      EXPECT_EQ(ids(plan(options, 7)), reference(records_, options, 7)) << strategy << " " << wanted;
    }
  }
}

TEST_F(Choice, WeightedTilesAreTakenWholeBeforeAnyIsTakenOnceMore) {
  SamplingOptions options = everything();
  options.strategy = "diversity";
  options.tiles = 2 * 3001 + 10;
  std::map<std::string, int> times;
  for (const auto* record : tiles(plan(options))) ++times[record->tile_id];
  EXPECT_EQ(times.size(), records_.size());
  std::uint64_t thrice = 0;
  for (const auto& [id, count] : times) {
    EXPECT_TRUE(count == 2 || count == 3) << id;
    thrice += count == 3 ? 1 : 0;
  }
  EXPECT_EQ(thrice, 10u);
}

/// Shares of land-cover pixels.
std::array<double, 12> shares(const std::vector<const corpus::TileRecord*>& tiles) {
  std::array<double, 12> part{};
  double sum = 0;
  for (const auto* tile : tiles) {
    for (std::size_t c = 0; c < part.size(); ++c) part[c] += tile->land_cover[c];
  }
  for (const double pixels : part) sum += pixels;
  for (double& value : part) value /= sum;
  return part;
}

TEST_F(Choice, CompositionRaisesRareClassesTowardsTheirPower) {
  SamplingOptions options = everything();
  const auto natural = shares(tiles(plan(options)));
  options.strategy = "composition";
  options.tiles = 300;
  std::array<std::array<double, 12>, 3> with{};
  for (const int beta : {0, 1, 2}) {
    options.balance_exponent = beta / 2.0;
    std::array<double, 12> mean{};
    for (std::uint64_t epoch = 0; epoch < 8; ++epoch) {
      const auto part = shares(tiles(plan(options, epoch)));
      for (std::size_t c = 0; c < 12; ++c) mean[c] += part[c] / 8;
    }
    with[static_cast<std::size_t>(beta)] = mean;
  }
  const std::size_t rare = 6, common = 1;
  EXPECT_LT(natural[rare], 0.01);
  EXPECT_NEAR(with[2][rare], natural[rare], 0.003) << "an exponent of 1 is natural";
  EXPECT_GT(with[1][rare], 1.5 * natural[rare]);
  EXPECT_GT(with[0][rare], with[1][rare]);
  EXPECT_LT(with[0][common], natural[common]);
}

TEST_F(Choice, DiversityPrefersMixedTiles) {
  SamplingOptions options = everything();
  const auto entropy = [](const std::vector<const corpus::TileRecord*>& tiles) {
    double sum = 0;
    for (const auto* tile : tiles) sum += diversity_weight(tile->land_cover);
    return sum / static_cast<double>(tiles.size());
  };
  const double natural = entropy(tiles(plan(options)));
  options.strategy = "diversity";
  options.tiles = 500;
  EXPECT_GT(entropy(tiles(plan(options))), 1.1 * natural);
}

TEST_F(Choice, FiltersThatLeaveNothingTellHowManyPassedEach) {
  SamplingOptions options;
  options.region = "-60,-30,-40,-20";
  options.date_from = "2021-01-01";
  std::uint64_t in_split = 0, inside = 0;
  for (const auto& record : records_) {
    if (record.split != corpus::Split::kTrain) continue;
    ++in_split;
    inside += record.lon >= -60 && record.lon <= -40 && record.lat >= -30 && record.lat <= -20 ? 1 : 0;
  }
  const std::string message = refusal(options);
  EXPECT_NE(message.find("of 3001 tiles " + std::to_string(in_split) + " are of split train, of those " +
                         std::to_string(inside) +
                         " are in the region -60,-30,-40,-20, of those none is acquired "
                         "from 2021-01-01"),
            std::string::npos)
      << message;
  SamplingOptions sea = everything();
  sea.region = (scratch_ / "nowhere.geojson").string();
  EXPECT_NE(refusal(sea).find("nowhere.geojson"), std::string::npos);
}

TEST_F(Choice, AChangedRegionFileHasAnotherHash) {
  SamplingOptions options = everything();
  EXPECT_EQ(region_hash(options), 0u);
  options.region = "1,2,3,4";
  EXPECT_EQ(region_hash(options), 0u);
  options.region = (scratch_ / "area.geojson").string();
  const std::uint64_t before = region_hash(options);
  EXPECT_EQ(before, xxh3(kTriangle));
  const Plan own = plan(options);
  EXPECT_EQ(own.region_hash, before);
  write_plan(comm_, own, scratch_ / "plan.h5");
  comm_.barrier();
  mpi::all_or_none(comm_, [&] {
    if (comm_.rank() == 0) write_file_durably(options.region, std::string(kTriangle) + "\n");
  });
  EXPECT_NE(region_hash(options), before);
  const Plan replayed = read_plan(comm_, scratch_ / "plan.h5");
  EXPECT_EQ(replayed.region_hash, before) << "what the plan was made of";
  EXPECT_EQ(replayed.entries, own.entries);
  comm_.barrier();
}

}  // namespace
}  // namespace terramill::sampling
