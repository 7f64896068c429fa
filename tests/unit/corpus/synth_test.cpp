#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/synth.hpp>
#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

WorldOptions options_of(std::uint64_t seed, int size = 64) {
  WorldOptions options;
  options.seed = seed;
  options.size = size;
  return options;
}

/// The band names of an entry of tile_info, in the order of the GeoTIFF.
std::vector<std::string> listed_bands(const Json& info) {
  std::vector<std::string> names;
  const Json& bands = info["BANDS"];
  for (const auto& [group, prefix] :
       std::vector<std::pair<std::string, std::string>>{{"sentinel2", ""},
                                                        {"sentinel1_asc", "asc_"},
                                                        {"sentinel1_desc", "desc_"},
                                                        {"aster", ""},
                                                        {"dynamic_world", ""},
                                                        {"canopy_height_eth", ""},
                                                        {"esa_worldcover", ""}}) {
    if (!bands.contains(group) || bands[group].is_null()) continue;
    for (const Json& name : bands[group]) names.push_back(prefix + name.get<std::string>());
  }
  return names;
}

std::span<const float> band(const RawTile& tile, const std::string& name) {
  const auto found = std::find(tile.band_names.begin(), tile.band_names.end(), name);
  if (found == tile.band_names.end()) return {};
  const auto area = static_cast<std::size_t>(tile.grid.width) * static_cast<std::size_t>(tile.grid.height);
  return std::span(tile.values)
      .subspan(static_cast<std::size_t>(found - tile.band_names.begin()) * area, area);
}

TEST(Synth, PaintsTheSameTileInAnyOrderAndThread) {
  const World world(options_of(1));
  std::vector<std::vector<float>> forward(20), backward(20);
  std::thread first([&] {
    TilePainter painter(world);
    for (std::size_t i = 0; i < 20; ++i) forward[i] = painter.paint(i).values;
  });
  std::thread second([&] {
    TilePainter painter(world);
    for (std::size_t i = 20; i-- > 0;) backward[i] = painter.paint(i).values;
  });
  first.join();
  second.join();
  EXPECT_EQ(forward, backward);
}

TEST(Synth, TilesHaveTheBandsThatTileInfoLists) {
  const World world(options_of(2));
  TilePainter painter(world);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const RawTile& tile = painter.paint(i);
    const Json info = invented_tile_info(world, i);
    EXPECT_EQ(tile.band_names, listed_bands(info));
    EXPECT_EQ(tile.values.size(), tile.band_names.size() * 66 * 66);
    EXPECT_EQ(tile.grid.crs, info["CRS"].get<std::string>());
    EXPECT_TRUE(info[kSyntheticKey].get<bool>());
  }
}

TEST(Synth, EveryGapOfRealTilesOccurs) {
  const World world(options_of(3));
  int no_radar = 0, one_orbit = 0, polar = 0, single = 0, no_labels = 0, no_weather = 0, l1c = 0,
      no_probability = 0;
  constexpr int kTiles = 1500;
  for (std::uint64_t i = 0; i < kTiles; ++i) {
    const Json info = invented_tile_info(world, i);
    const Json& bands = info["BANDS"];
    const bool asc = !bands["sentinel1_asc"].is_null(), desc = !bands["sentinel1_desc"].is_null();
    no_radar += !asc && !desc ? 1 : 0;
    one_orbit += asc != desc ? 1 : 0;
    for (const char* orbit : {"sentinel1_asc", "sentinel1_desc"}) {
      if (bands[orbit].is_null()) continue;
      polar += bands[orbit][0] == "HH" ? 1 : 0;
      single += bands[orbit].size() == 1 ? 1 : 0;
    }
    no_labels += bands.contains("dynamic_world") ? 0 : 1;
    no_weather += info["era5"]["year"][0].is_null() ? 1 : 0;
    const bool raw = info["S2_type"] == "l1c";
    l1c += raw ? 1 : 0;
    const auto names = bands["sentinel2"].get<std::vector<std::string>>();
    no_probability += !raw && std::count(names.begin(), names.end(), "MSK_CLDPRB") == 0 ? 1 : 0;
  }
  for (const int count : {no_radar, one_orbit, polar, single, no_labels, no_weather, no_probability}) {
    EXPECT_GT(count, 0);
    EXPECT_LT(count, kTiles / 3);
  }
  EXPECT_NEAR(l1c, kTiles / 2, 100);
}

TEST(Synth, ValuesStayWithinTheirProducts) {
  const World world(options_of(4));
  TilePainter painter(world);
  const auto within = [](std::span<const float> values, float low, float high) {
    return std::ranges::all_of(values, [&](float v) { return v >= low && v <= high; });
  };
  for (std::uint64_t i = 0; i < 300; ++i) {
    const RawTile& tile = painter.paint(i);
    for (const std::string& name : mmearth_s2_bands())
      EXPECT_TRUE(within(band(tile, name), 1, 20000)) << name;
    for (const std::string orbit : {"asc_", "desc_"}) {
      for (const char* name : {"VV", "VH", "HH", "HV"})
        EXPECT_TRUE(within(band(tile, orbit + name), -60, 25));
    }
    EXPECT_TRUE(within(band(tile, "SCL"), 2, 11));
    EXPECT_TRUE(within(band(tile, "MSK_CLDPRB"), 0, 100));
    EXPECT_TRUE(within(band(tile, "b1"), 0, 9000));
    EXPECT_TRUE(within(band(tile, "slope"), 0, 90));
    EXPECT_TRUE(within(band(tile, "label"), 0, 9));
    for (const float code : band(tile, "Map")) {
      ASSERT_TRUE(code == 0 || geo::is_world_cover(static_cast<int>(code))) << code;
    }
    for (const float height : band(tile, "height")) ASSERT_TRUE(height <= 60 || height == 255) << height;
  }
}

TEST(Synth, DynamicWorldMostlyAgreesWithWorldCover) {
  const World world(options_of(5));
  TilePainter painter(world);
  double agree = 0, all = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const RawTile& tile = painter.paint(i);
    const auto labels = band(tile, "label"), codes = band(tile, "Map");
    for (std::size_t p = 0; p < labels.size(); ++p) {
      const int taken = geo::world_cover_of_dynamic_world(static_cast<int>(labels[p]));
      if (codes[p] == 0 || codes[p] == 95 || codes[p] == 100) continue;  // Dynamic World has no such classes
      ++all;
      agree += taken == static_cast<int>(codes[p]) ? 1 : 0;
    }
  }
  EXPECT_GT(agree / all, 0.85);
  EXPECT_LT(agree / all, 0.98);
}

TEST(Synth, RecordsSayWhatTileInfoSays) {
  const World world(options_of(6));
  Surveyor surveyor(world);
  const Schema schema = mmearth_schema(64);
  const auto has = [&](const TileRecord& record, const char* modality) {
    return (record.present >> schema.index_of(modality) & 1u) != 0;
  };
  for (std::uint64_t i = 0; i < 300; ++i) {
    const TileRecord record = invented_record(world, surveyor, i);
    const Json info = invented_tile_info(world, i);
    EXPECT_EQ(record.tile_id, World::tile_id(i));
    EXPECT_EQ(record.date, info["S2_DATE"].get<std::string>());
    EXPECT_EQ(record.crs, info["CRS"].get<std::string>());
    EXPECT_EQ(record.lon, info["lon"].get<double>());
    EXPECT_EQ(record.biome, info["biome"].get<int>());
    EXPECT_EQ(record.eco_region, info["eco_region"].get<int>());
    EXPECT_EQ(record.s2_type == S2Type::kL2A, info["S2_type"] == "l2a");
    const Json& bands = info["BANDS"];
    EXPECT_EQ(has(record, "sentinel1"),
              !bands["sentinel1_asc"].is_null() || !bands["sentinel1_desc"].is_null());
    const bool mapped = record.land_cover[0] < 64 * 64;  // the open sea is not
    EXPECT_EQ(has(record, "dynamic_world"), mapped && bands.contains("dynamic_world"));
    EXPECT_EQ(has(record, "esa_worldcover"), mapped);
    EXPECT_EQ(has(record, "sentinel2_scl"), info["S2_type"] == "l2a");
  }
}

/// Mean and deviation of each band but B10, which L2A lacks.
std::vector<double> summary(const RawTile& tile) {
  std::vector<double> features;
  for (const std::string& name : mmearth_s2_bands()) {
    if (name == "B10") continue;
    const auto values = band(tile, name);
    const auto count = static_cast<double>(values.size());
    double sum = 0, squares = 0;
    for (const float v : values) sum += v, squares += static_cast<double>(v) * v;
    features.push_back(sum / count);
    features.push_back(std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count))));
  }
  return features;
}

/// Scales every feature to mean 0 and deviation 1.
void standardise(std::vector<std::vector<double>>& features) {
  const auto count = static_cast<double>(features.size());
  for (std::size_t f = 0; f < features.front().size(); ++f) {
    double sum = 0, squares = 0;
    for (const auto& row : features) sum += row[f], squares += row[f] * row[f];
    const double mean = sum / count, deviation = std::sqrt(squares / count - mean * mean);
    for (auto& row : features) row[f] = (row[f] - mean) / deviation;
  }
}

/// The class most frequent among the seven rows nearest to row `i` of those with an even number.
int vote(const std::vector<std::vector<double>>& features, const std::vector<int>& classes, std::size_t i) {
  std::vector<std::pair<double, int>> neighbours;
  for (std::size_t j = 0; j < features.size(); j += 2) {
    double distance = 0;
    for (std::size_t f = 0; f < features[i].size(); ++f)
      distance += std::pow(features[i][f] - features[j][f], 2);
    neighbours.emplace_back(distance, classes[j]);
  }
  std::ranges::nth_element(neighbours, neighbours.begin() + 7);
  std::array<int, 101> votes{};
  for (std::size_t k = 0; k < 7; ++k) ++votes[static_cast<std::size_t>(neighbours[k].second)];
  return static_cast<int>(std::ranges::max_element(votes) - votes.begin());
}

TEST(Synth, BandMeansTellTheDominantClassWellButNotPerfectly) {
  const World world(options_of(7));
  TilePainter painter(world);
  constexpr std::size_t kTiles = 1600;
  std::vector<std::vector<double>> features;
  std::vector<int> classes;
  for (std::size_t i = 0; i < kTiles; ++i) {
    const RawTile& tile = painter.paint(i);
    std::array<int, 101> pixels{};
    for (const float code : band(tile, "Map")) ++pixels[static_cast<std::size_t>(code)];
    classes.push_back(static_cast<int>(std::ranges::max_element(pixels) - pixels.begin()));
    features.push_back(summary(tile));
  }
  standardise(features);
  int right = 0;
  std::array<int, 101> asked{};
  for (std::size_t i = 1; i < kTiles; i += 2) {
    ++asked[static_cast<std::size_t>(classes[i])];
    right += vote(features, classes, i) == classes[i] ? 1 : 0;
  }
  const double accuracy = 2.0 * right / kTiles;
  const double commonest = 2.0 * *std::ranges::max_element(asked) / kTiles;
  RecordProperty("accuracy", std::to_string(accuracy));
  RecordProperty("commonest", std::to_string(commonest));
  EXPECT_GT(accuracy, commonest + 0.2);
  EXPECT_LT(accuracy, 0.9);
}

}  // namespace
}  // namespace terramill::corpus
