#include "invented_tile.hpp"

#include <terramill/corpus/statistics.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

const std::vector<std::byte>& values_of(const Schema& schema, const Tile& tile, const char* modality) {
  return tile.values[static_cast<std::size_t>(schema.index_of(modality))];
}

TEST(Statistics, AreThoseOfAllValidPixels) {
  const Schema schema = mmearth_schema(8);
  Statistics statistics(schema);
  long double sum = 0, squares = 0, count = 0;
  const std::size_t plane = 64;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Tile tile = invented_tile(schema, 3, i);
    statistics.add(tile);
    const auto* values = reinterpret_cast<const float*>(values_of(schema, tile, "sentinel1").data());
    for (std::size_t at = plane; at < 2 * plane; ++at) {
      if (std::isinf(values[at])) continue;
      sum += values[at];
      squares += static_cast<long double>(values[at]) * values[at];
      ++count;
    }
  }
  const Json band = statistics.to_json().at("sentinel1");
  const long double mean = sum / count;
  EXPECT_NEAR(band.at("mean").at(1).get<double>(), static_cast<double>(mean), 1e-12);
  EXPECT_NEAR(band.at("std").at(1).get<double>(),
              static_cast<double>(std::sqrt(squares / count - mean * mean)), 1e-12);
}

TEST(Statistics, NoDataAndAbsentModalitiesAreLeftOut) {
  const Schema schema = mmearth_schema(8);
  Tile tile = invented_tile(schema, 4, 0);
  const auto canopy = static_cast<std::size_t>(schema.index_of("canopy_height_eth"));
  const auto aster = static_cast<std::size_t>(schema.index_of("aster"));
  std::fill(tile.values[canopy].begin(), tile.values[canopy].end(), std::byte{127});
  tile.values[canopy][5] = std::byte{31};
  tile.record.present &= ~(1u << aster);
  Statistics statistics(schema);
  statistics.add(tile);
  const Json json = statistics.to_json();
  EXPECT_EQ(json.at("canopy_height_eth").at("mean").at(0), 31.0);
  EXPECT_EQ(json.at("canopy_height_eth").at("std").at(0), 0.0);
  EXPECT_TRUE(std::isnan(json.at("canopy_height_eth").at("mean").at(1).get<double>()));
  EXPECT_TRUE(std::isnan(json.at("aster").at("mean").at(0).get<double>()));
  EXPECT_EQ(json.at("aster").at("min").at(0), INFINITY);
}

TEST(Statistics, SentinelTwoIsKeptApartByLevel) {
  const Schema schema = mmearth_schema(8);
  Statistics statistics(schema);
  statistics.add(invented_tile(schema, 5, 0));
  const Json json = statistics.to_json();
  EXPECT_FALSE(std::isnan(json.at("sentinel2_l2a").at("mean").at(0).get<double>()));
  EXPECT_TRUE(std::isnan(json.at("sentinel2_l1c").at("mean").at(0).get<double>()));
  EXPECT_FALSE(json.contains("sentinel2"));
  EXPECT_FALSE(json.contains("sentinel2_scl_l2a"));
  EXPECT_FALSE(json.contains("biome"));
}

TEST(Statistics, PartsSurviveTheirBinaryFormAndMergeToTheSameBits) {
  const Schema schema = mmearth_schema(8);
  const auto in_parts = [&](bool stored) {
    Statistics total(schema);
    for (std::uint64_t part = 0; part < 4; ++part) {
      Statistics own(schema);
      for (std::uint64_t i = 0; i < 10; ++i) own.add(invented_tile(schema, 6, 10 * part + i));
      total.merge(stored ? Statistics::deserialise(schema, own.serialise()) : own);
    }
    return total.serialise();
  };
  EXPECT_EQ(in_parts(false), in_parts(true));
}

TEST(Statistics, IntegerBandsAreExactInAnyOrder) {
  const Schema schema = mmearth_schema(8);
  Statistics forwards(schema), backwards(schema);
  for (std::uint64_t i = 0; i < 20; ++i) forwards.add(invented_tile(schema, 7, i));
  for (std::uint64_t i = 20; i-- > 0;) backwards.add(invented_tile(schema, 7, i));
  for (const char* key : {"sentinel2_l1c", "sentinel2_l2a", "aster", "canopy_height_eth"}) {
    EXPECT_EQ(forwards.to_json().at(key), backwards.to_json().at(key)) << key;
  }
}

}  // namespace
}  // namespace terramill::corpus
