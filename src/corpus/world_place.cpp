#include "utm.hpp"
#include "world_fields.hpp"
#include "world_noise.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/world.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace terramill::corpus {
namespace {

constexpr double kSouth = -60, kNorth = 80;
constexpr double kRadians = std::numbers::pi / 180;
constexpr std::uint64_t kGroup = 8;  // tiles that may form a cluster
constexpr int kBiomes = 14;

std::array<double, 2> uniform_place(PhiloxStream& random) {
  const double low = std::sin(kSouth * kRadians), high = std::sin(kNorth * kRadians);
  const double lat = std::asin(random.uniform(low, high)) / kRadians;
  return {random.uniform(-180, 180), lat};
}

/// Place i of `count` that cover the sphere evenly (a Fibonacci lattice).
std::array<double, 2> spread_place(std::size_t i, std::size_t count) {
  constexpr double kGoldenAngle = 137.50776405003785;
  const double height = 1 - 2 * (static_cast<double>(i) + 0.5) / static_cast<double>(count);
  return {std::fmod(static_cast<double>(i) * kGoldenAngle, 360.0) - 180, std::asin(height) / kRadians};
}

/// `east` and `north` metres away from a place.
std::array<double, 2> moved(const std::array<double, 2>& place, double east, double north) {
  constexpr double kMetresPerDegree = 111195;
  const double lat = std::clamp(place[1] + north / kMetresPerDegree, kSouth, kNorth);
  double lon = place[0] + east / (kMetresPerDegree * std::cos(lat * kRadians));
  if (lon >= 180) lon -= 360;
  if (lon < -180) lon += 360;
  return {lon, lat};
}

}  // namespace

/// Places on land, spread evenly over the sphere, per biome.
struct World::Atlas {
  std::array<std::vector<std::array<float, 2>>, kBiomes> places;
};

World::World(const WorldOptions& options) : options_(options) {
  const ErrorContext context{"invent a world", "", "see terramill corpus synth --help"};
  if (options.size < 8 || options.size > 4096) {
    throw UsageError("a tile of " + std::to_string(options.size) + " pixels is outside 8 to 4096", context);
  }
  for (const double share : {options.ocean_share, options.cluster_share}) {
    if (!(share >= 0 && share <= 1)) throw UsageError("a share lies between 0 and 1", context);
  }
  for (std::size_t field = 0; field < keys_.size(); ++field) {
    keys_[field] = philox_key(options.seed, Purpose::kWorld, ~std::uint64_t{0}, field);
  }

  constexpr std::size_t kSoundings = 4000;
  std::vector<double> soundings(kSoundings);
  for (std::size_t i = 0; i < kSoundings; ++i) {
    const auto [lon, lat] = spread_place(i, kSoundings);
    soundings[i] = continental_noise(world::on_sphere(lon, lat));
  }
  const auto level = soundings.begin() + static_cast<std::ptrdiff_t>(kSoundings * 7 / 10);
  std::nth_element(soundings.begin(), level, soundings.end());
  sea_level_ = *level;
  if (options.locations != Locations::kBiome) return;

  auto atlas = std::make_unique<Atlas>();
  constexpr std::size_t kPlaces = 120000;  // one in 4,250 km²
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const auto [lon, lat] = spread_place(i, kPlaces);
    if (lat < kSouth || lat > kNorth || base_elevation(world::on_sphere(lon, lat)) < 0) continue;
    const Climate here = climate(lon, lat);
    atlas->places[static_cast<std::size_t>(here.biome)].push_back(
        {static_cast<float>(lon), static_cast<float>(lat)});
  }
  atlas_ = std::move(atlas);
}

World::~World() = default;
World::World(World&&) noexcept = default;

std::uint64_t World::key(std::uint32_t field) const noexcept { return keys_[field]; }

std::string World::tile_id(std::uint64_t i) { return std::to_string(10000000 + i); }

std::array<double, 2> World::draw_place(std::uint64_t a, std::uint64_t b) const {
  PhiloxStream random(options_.seed, Purpose::kWorld, a, b);
  const bool sea = random.uniform() < options_.ocean_share;
  constexpr int kTrials = 1000;
  std::array<double, 2> place{};
  if (!sea && atlas_) {
    const auto biome = static_cast<int>(random.below(kBiomes));
    const auto& known = atlas_->places[static_cast<std::size_t>(biome)];
    for (int trial = 0; trial < 64 && !known.empty(); ++trial) {
      const auto& near = known[random.below(known.size())];
      const double east = random.uniform(-30000, 30000), north = random.uniform(-30000, 30000);
      place = moved({near[0], near[1]}, east, north);
      const Climate here = climate(place[0], place[1]);
      if (here.elevation > 0 && here.biome == biome) return place;
    }
  }
  for (int trial = 0; trial < kTrials; ++trial) {
    place = uniform_place(random);
    if ((base_elevation(world::on_sphere(place[0], place[1])) < 0) == sea) break;
  }
  return place;
}

Site World::site(std::uint64_t i) const {
  const std::uint64_t group = i / kGroup, member = i % kGroup;
  PhiloxStream random(options_.seed, Purpose::kWorld, group, world::kGroupDraw);
  std::array<double, 2> place{};
  if (random.uniform() < options_.cluster_share) {
    place = draw_place(group, world::kGroupDraw + (std::uint64_t{1} << 32));
    // Each member has its own cell of a 4 x 4 grid: they are near, and do not overlap.
    const double spacing = std::max(1700.0, 12.5 * options_.size);
    const std::uint64_t cell = (random.below(16) + 5 * member) % 16;
    PhiloxStream own(options_.seed, Purpose::kWorld, i, world::kPlaceDraw);
    const double slack = spacing - 10.3 * options_.size;
    const double east = (static_cast<double>(cell % 4) - 2) * spacing + own.uniform(0, slack);
    const double north = (static_cast<double>(cell / 4) - 2) * spacing + own.uniform(0, slack);
    place = moved(place, east, north);
  } else {
    place = draw_place(i, world::kPlaceDraw);
  }
  Site site;
  site.lon = place[0];
  site.lat = place[1];
  site.climate = climate(site.lon, site.lat);
  const Utm utm = to_utm(site.lon, site.lat);
  site.epsg = (site.lat >= 0 ? 32600 : 32700) + utm.zone;
  const double half = 10.0 * (options_.size / 2);
  site.left = 10 * std::round(utm.easting / 10) - half;
  site.top = 10 * std::round(utm.northing / 10) + half;
  return site;
}

}  // namespace terramill::corpus
