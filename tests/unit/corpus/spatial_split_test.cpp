#include "corpus/spatial_split.hpp"

#include <terramill/core/philox.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

SourceOptions shares() {
  SourceOptions options;
  options.validation_share = 0.3;
  options.test_share = 0.3;
  options.split_seed = 4;
  return options;
}

/// The block of source.hpp, reckoned here anew.
std::pair<int, int> block_of(double lon, double lat) {
  const int row = static_cast<int>(std::floor((lat + 90) * 4));
  const double middle = (row + 0.5) / 4 - 90;
  const double columns = std::round(1440 * std::cos(middle * std::numbers::pi / 180));
  return {row, static_cast<int>((lon + 180) / 360 * columns)};
}

TEST(SpatialSplit, TilesOfOneBlockNeverLieInDifferentSplits) {
  std::map<std::pair<int, int>, Split> seen;
  int shared = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    PhiloxStream stream(1, Purpose::kTest, i);
    const double around = stream.uniform(-170, 170), high = 80.0 * static_cast<double>(i % 2);
    const double lon = around - std::fmod(around, 17) + stream.uniform(0, 1);
    const double lat = high + stream.uniform(-1, 1);
    const Split split = split_of(lon, lat, "tile-" + std::to_string(i), shares());
    const auto [at, added] = seen.try_emplace(block_of(lon, lat), split);
    EXPECT_EQ(at->second, split) << lon << ", " << lat;
    shared += added ? 0 : 1;
  }
  EXPECT_GT(shared, 10000) << "most tiles must have a neighbour in their block";
  std::array<int, 3> blocks{};
  for (const auto& [block, split] : seen) ++blocks[static_cast<std::size_t>(split)];
  for (const int count : blocks) EXPECT_GT(count, static_cast<int>(seen.size()) / 5);
}

TEST(SpatialSplit, TheDateLineIsNoBorder) {
  for (double lat = -60; lat < 60; lat += 0.25) {
    EXPECT_EQ(split_of(180, lat, "a", shares()), split_of(-180, lat, "b", shares()));
  }
}

TEST(SpatialSplit, ATileWithoutALocationIsDrawnByItsId) {
  constexpr double kNowhere = std::numeric_limits<double>::quiet_NaN();
  std::array<int, 3> tiles{};
  for (int i = 0; i < 1000; ++i) {
    const std::string id = "Forest_" + std::to_string(i);
    const Split split = split_of(kNowhere, kNowhere, id, shares());
    EXPECT_EQ(split, split_of(kNowhere, 12, id, shares()));
    ++tiles[static_cast<std::size_t>(split)];
  }
  EXPECT_NEAR(tiles[0], 400, 60);
  EXPECT_NEAR(tiles[1], 300, 60);
  EXPECT_NEAR(tiles[2], 300, 60);
}

}  // namespace
}  // namespace terramill::corpus
