#include <terramill/core/error.hpp>
#include <terramill/corpus/world.hpp>
#include <terramill/geo/grid.hpp>
#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

WorldOptions options_of(std::uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  return options;
}

int dominant(const std::array<std::uint32_t, kLandCoverClasses>& histogram) {
  return static_cast<int>(std::max_element(histogram.begin(), histogram.end()) - histogram.begin());
}

TEST(World, IsTheSameForTheSameSeedAndAnotherForAnother) {
  const World a(options_of(3)), b(options_of(3)), c(options_of(4));
  int differing = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(a.site(i).lon, b.site(i).lon);
    EXPECT_EQ(a.climate(7.0, 47.0 - static_cast<double>(i)).elevation,
              b.climate(7.0, 47.0 - static_cast<double>(i)).elevation);
    differing += a.site(i).lon != c.site(i).lon ? 1 : 0;
  }
  EXPECT_EQ(differing, 50);
}

TEST(World, ThreeTenthsOfTheSphereAreLand) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const World world(options_of(seed));
    double land = 0, area = 0;
    for (double lat = -89; lat < 90; lat += 2) {
      const double weight = std::cos(lat * 3.14159265358979 / 180);
      for (double lon = -179; lon < 180; lon += 2) {
        area += weight;
        land += world.climate(lon, lat).elevation > 0 ? weight : 0;
      }
    }
    EXPECT_NEAR(land / area, 0.3, 0.03) << "seed " << seed;
  }
}

TEST(World, EcoRegionsBelongToOneBiomeEach) {
  const World world(options_of(5));
  std::map<int, int> biome_of;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const Climate climate = world.site(i).climate;
    ASSERT_GE(climate.biome, 0);
    ASSERT_LT(climate.biome, 14);
    ASSERT_GE(climate.eco_region, 0);
    ASSERT_LT(climate.eco_region, 846);
    const auto [known, fresh] = biome_of.emplace(climate.eco_region, climate.biome);
    EXPECT_EQ(known->second, climate.biome) << "eco-region " << climate.eco_region;
  }
  EXPECT_GT(biome_of.size(), 60u);
}

TEST(World, PlacesLieAtSeaInTheShareAskedFor) {
  for (const double share : {0.0, 0.1, 0.6}) {
    WorldOptions options = options_of(6);
    options.ocean_share = share;
    options.cluster_share = 0;
    const World world(options);
    constexpr int kTiles = 3000;
    int sea = 0;
    for (std::uint64_t i = 0; i < kTiles; ++i) sea += world.site(i).climate.elevation < 0 ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(sea) / kTiles, share, 4 * std::sqrt(share * (1 - share) / kTiles) + 1e-9);
  }
}

TEST(World, BiomesAreEvenWhereAskedFor) {
  WorldOptions options = options_of(7);
  options.locations = Locations::kBiome;
  options.ocean_share = 0;
  options.cluster_share = 0;
  const World world(options);
  std::array<int, 14> tiles{};
  constexpr int kTiles = 2800;
  for (std::uint64_t i = 0; i < kTiles; ++i) ++tiles[static_cast<std::size_t>(world.site(i).climate.biome)];
  for (const int count : tiles) EXPECT_NEAR(count, kTiles / 14, 70);
}

TEST(World, ClustersHoldNeighboursThatDoNotOverlap) {
  WorldOptions options = options_of(8);
  options.cluster_share = 1;
  const World world(options);
  int near = 0, pairs = 0;
  for (std::uint64_t group = 0; group < 60; ++group) {
    for (std::uint64_t a = 0; a < 8; ++a) {
      for (std::uint64_t b = a + 1; b < 8; ++b) {
        const Site one = world.site(8 * group + a), other = world.site(8 * group + b);
        if (one.epsg != other.epsg) continue;
        const double east = std::abs(one.left - other.left), north = std::abs(one.top - other.top);
        ++pairs;
        EXPECT_TRUE(east >= 640 || north >= 640);
        near += std::hypot(east, north) < 9000 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(pairs, 1000);
  EXPECT_EQ(near, pairs);
}

TEST(World, TilesLieWhereTheirLongitudeAndLatitudeSay) {
  const World world(options_of(9));
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Site site = world.site(i);
    const auto [x, y] = geo::from_lon_lat("EPSG:" + std::to_string(site.epsg), {site.lon, site.lat});
    EXPECT_LE(std::abs(x - (site.left + 320)), 5.001) << site.lon << " " << site.lat;
    EXPECT_LE(std::abs(y - (site.top - 320)), 5.001) << site.lon << " " << site.lat;
  }
}

TEST(World, EveryLandCoverClassOccursInTwoThousandTiles) {
  const World world(options_of(1));
  Surveyor surveyor(world);
  std::array<std::uint64_t, kLandCoverClasses> pixels{};
  std::array<int, kLandCoverClasses> tiles{};
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const auto histogram = geo::land_cover_histogram(surveyor.survey(world.site(i), 0).cover);
    for (std::size_t k = 0; k < histogram.size(); ++k) pixels[k] += histogram[k];
    ++tiles[static_cast<std::size_t>(dominant(histogram))];
  }
  for (std::size_t k = 0; k < pixels.size(); ++k) {
    EXPECT_GT(pixels[k], 4096u * 5) << geo::land_cover_classes()[k].name;
    EXPECT_GE(tiles[k], 4) << geo::land_cover_classes()[k].name;
  }
}

TEST(World, EstimatedLandCoverIsCloseToTheTiles) {
  const World world(options_of(2));
  Surveyor surveyor(world);
  double apart = 0;
  constexpr int kTiles = 400;
  std::array<double, kLandCoverClasses> bias{};
  for (std::uint64_t i = 0; i < kTiles; ++i) {
    const Site site = world.site(i);
    const auto estimate = surveyor.estimate(site);
    EXPECT_EQ(std::accumulate(estimate.begin(), estimate.end(), 0u), 4096u);
    const auto histogram = geo::land_cover_histogram(surveyor.survey(site, 0).cover);
    for (std::size_t k = 0; k < histogram.size(); ++k) {
      const double difference = (static_cast<double>(estimate[k]) - histogram[k]) / 4096;
      apart += std::abs(difference) / kTiles;
      bias[k] += difference / kTiles;
    }
  }
  EXPECT_LT(apart, 0.15);  // of 2, which is disjoint
  for (const double difference : bias) EXPECT_LT(std::abs(difference), 0.01);
}

/// Over the tiles of each dominant class the mean of a nuisance is that of all tiles, within four standard
/// errors.
TEST(World, WhatTheSensorsAddDoesNotDependOnLandCover) {
  WorldOptions options = options_of(10);
  options.cluster_share = 0;
  const World world(options);
  Surveyor surveyor(world);
  constexpr std::size_t kNuisances = 8;
  std::map<int, std::vector<std::array<double, kNuisances>>> by_class;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const Site site = world.site(i);
    const Scene scene = world.scene(i, site);
    by_class[dominant(surveyor.estimate(site))].push_back(
        {scene.haze, scene.brightness, scene.cirrus, scene.cloud, scene.type == S2Type::kL2A ? 1.0 : 0.0,
         scene.wind, scene.radar[0] == Polarisation::kNone ? 1.0 : 0.0, static_cast<double>(scene.gain[3])});
  }
  for (std::size_t n = 0; n < kNuisances; ++n) {
    double sum = 0, squares = 0, count = 0;
    for (const auto& [cover, scenes] : by_class) {
      for (const auto& values : scenes) sum += values[n], squares += values[n] * values[n], ++count;
    }
    const double mean = sum / count, deviation = std::sqrt(squares / count - mean * mean);
    for (const auto& [cover, scenes] : by_class) {
      if (scenes.size() < 30) continue;
      double own = 0;
      for (const auto& values : scenes) own += values[n] / static_cast<double>(scenes.size());
      EXPECT_NEAR(own, mean, 4 * deviation / std::sqrt(static_cast<double>(scenes.size())))
          << "nuisance " << n << ", class " << cover;
    }
  }
}

TEST(World, TheSunStandsHighEnoughForEveryImage) {
  const World world(options_of(11));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Site site = world.site(i);
    const Scene scene = world.scene(i, site);
    EXPECT_GT(scene.sun_elevation, 0.24);
    EXPECT_GE(scene.year, 2017);
    EXPECT_LE(scene.year, 2020);
    if (site.lat > 40) {
      EXPECT_GT(std::abs(scene.sun_azimuth), 1.57);  // in the south
    }
  }
}

TEST(World, RefusesImpossibleOptions) {
  WorldOptions options;
  options.size = 4;
  EXPECT_THROW(World{options}, UsageError);
  options.size = 64;
  options.ocean_share = 1.5;
  EXPECT_THROW(World{options}, UsageError);
}

}  // namespace
}  // namespace terramill::corpus
