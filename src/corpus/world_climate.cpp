#include "world_fields.hpp"
#include "world_noise.hpp"

#include <terramill/corpus/world.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace terramill::corpus {
namespace {

using world::ramp;
using world::sphere_noise;
using world::Vector3;

/// First eco-region of each biome, and the end: the ranges of MMEarth's label tables.
constexpr std::array<int, 15> kEcoBegin = {0,   51,  281, 321, 423, 471, 497, 544,
                                           627, 673, 692, 717, 775, 831, 846};

enum Biome {
  kTundra,
  kMoistForest,
  kMediterranean,
  kDesert,
  kTemperateGrass,
  kBoreal,
  kConifer,
  kBroadleaf,
  kMontane,
  kMangroves,
  kFlooded,
  kSavanna,
  kDryForest,
  kTropicalConifer,
};

/// A scheme after Whittaker ("Communities and Ecosystems", 1975): biomes by temperature and moisture, with
/// exceptions by elevation and coast.
int biome_of(const Climate& climate, double lat) {
  const double t = climate.temperature, m = climate.moisture, z = climate.elevation;
  const double summer = t + climate.season;
  if (z > 2200 && std::abs(lat) < 52 && t < 13) return kMontane;
  if (summer < 9 || t < -9) return kTundra;
  if (t < 3) return m > 0.27 ? kBoreal : kTemperateGrass;
  if (m < 0.22) return kDesert;
  const bool flat = climate.relief < 16 && z < 320;
  if (t > 19 && z < 26 && m > 0.42) return kMangroves;
  if (flat && t > 9 && m > 0.5 && m < 0.72 && climate.relief < 9.5) return kFlooded;
  if (t > 18.5 || (t > 13 && std::abs(lat) < 24)) {
    if (z > 700 && m > 0.45 && m < 0.8) return kTropicalConifer;
    return m < 0.44 ? kSavanna : m < 0.6 ? kDryForest : kMoistForest;
  }
  if (t > 10.5 && std::abs(lat) < 46 && m < 0.5) return m < 0.29 ? kTemperateGrass : kMediterranean;
  if (m < 0.4) return kTemperateGrass;
  return m > 0.78 || climate.relief > 150 ? kConifer : kBroadleaf;
}

}  // namespace

double Climate::monthly_temperature(int month, double lat) const noexcept {
  const double phase = 2 * std::numbers::pi * (month - 7) / 12.0;
  return temperature + (lat >= 0 ? 1 : -1) * season * std::cos(phase);
}

double Climate::monthly_precipitation(int month, double lat) const noexcept {
  // Summer rain, but winter rain under the Mediterranean's climate.
  const double phase = 2 * std::numbers::pi * (month - 7) / 12.0;
  const double sign = (lat >= 0 ? 1 : -1) * (biome == kMediterranean ? -1 : 1);
  return precipitation / 12 * (1 + 0.65 * sign * std::cos(phase));
}

double World::continental_noise(const Vector3& point) const {
  return sphere_noise(key(world::kContinents), point, 7000, 7, 0.55);
}

double World::base_elevation(const Vector3& point) const {
  const double continents = continental_noise(point) - sea_level_;
  return continents < 0 ? std::max(-5500.0, continents * 4200) : 700 * continents * std::sqrt(continents);
}

Climate World::climate(double lon, double lat) const {
  const Vector3 point = world::on_sphere(lon, lat);
  Climate c;
  c.elevation = base_elevation(point);
  const double shore = ramp(static_cast<float>(c.elevation), 2, 160);
  const double ridge = 1 - std::abs(sphere_noise(key(world::kMountains), point, 2600, 3, 0.5));
  const double range = std::max(0.0, ridge - 0.35) / 0.65;
  c.elevation += 3300 * shore * range * range * range;
  c.relief =
      std::exp(3.0 + 0.75 * sphere_noise(key(world::kRelief), point, 900, 3, 0.6)) * (0.25 + 0.75 * shore) +
      260 * shore * range * range;

  const double away = std::abs(lat);
  const double inland = 0.6 + 0.4 * shore;
  c.season = (1.2 + 0.27 * away) * inland * (0.85 + 0.15 * c.relief / (c.relief + 50));
  c.temperature = 27.5 - 0.0072 * away * away + 2.2 * sphere_noise(key(world::kWarmth), point, 3000, 2, 0.5) -
                  0.0062 * std::max(0.0, c.elevation);
  const double belts =
      0.5 + 0.22 * std::cos(2 * std::numbers::pi * away / 54.0) - 0.0016 * std::max(0.0, away - 55);
  c.moisture =
      std::clamp(belts + 0.17 * sphere_noise(key(world::kMoisture), point, 3400, 3, 0.6), 0.02, 0.98);
  c.precipitation = 0.03 + 3.2 * std::pow(c.moisture, 1.8) *
                               (0.25 + 0.75 * ramp(static_cast<float>(c.temperature), -8, 22));
  c.people = sphere_noise(key(world::kPeople), point, 900, 4, 0.6) +
             0.9 * ramp(static_cast<float>(c.temperature), -4, 10) - 0.7 -
             1.2 * ramp(static_cast<float>(c.elevation), 1500, 3500) -
             1.2 * (1 - ramp(static_cast<float>(c.moisture), 0.08, 0.28));
  c.biome = biome_of(c, lat);

  // Eco-regions: warped cells of some 1,300 km, each with one of its biome's numbers.
  const std::uint64_t regions = key(world::kEcoRegions);
  const double warp = 0.22 * sphere_noise(regions, point, 900, 2, 0.5);
  const double cells = 6371.0 / 1300;
  const std::uint64_t cell =
      world::lattice_hash(regions, static_cast<std::int64_t>(std::floor(point[0] * cells + warp)),
                          static_cast<std::int64_t>(std::floor(point[1] * cells + warp)),
                          static_cast<std::int64_t>(std::floor(point[2] * cells - warp)));
  const int begin = kEcoBegin[static_cast<std::size_t>(c.biome)];
  const auto count = static_cast<std::uint64_t>(kEcoBegin[static_cast<std::size_t>(c.biome) + 1] - begin);
  c.eco_region = begin + static_cast<int>(cell % count);
  return c;
}

}  // namespace terramill::corpus
