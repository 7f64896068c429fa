#include "world_fields.hpp"
#include "world_noise.hpp"
#include "world_parcels.hpp"

#include <terramill/corpus/world.hpp>
#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <cmath>

namespace terramill::corpus {
namespace {

using world::Parcel;
using world::ParcelLayout;
using world::Points;

enum Cover : std::uint8_t {
  kSea = 0,
  kTrees = 10,
  kShrub = 20,
  kGrass = 30,
  kCrops = 40,
  kBuilt = 50,
  kBare = 60,
  kSnow = 70,
  kWater = 80,
  kWetland = 90,
  kMangrove = 95,
  kMoss = 100,
};

/// How readily each natural cover, and crops, occur in a biome: scores compared after noise is added.
struct Inclination {
  float trees, shrub, grass, bare, wetland, moss, crops;
};
constexpr std::array<Inclination, 14> kInclinations = {{
    {-1.9f, 0.2f, 0.5f, 0.5f, 0.0f, 1.3f, -7.0f},     // tundra
    {2.3f, -0.2f, 0.6f, -2.2f, -0.4f, -9.0f, -1.1f},  // tropical moist forest
    {0.5f, 1.0f, 0.8f, -0.4f, -2.0f, -9.0f, 0.0f},    // Mediterranean
    {-2.4f, 0.5f, -0.1f, 1.7f, -3.0f, -9.0f, -2.6f},  // desert
    {-0.9f, 0.0f, 1.6f, -0.4f, -1.2f, -9.0f, 0.4f},   // temperate grassland
    {1.9f, 0.1f, 0.4f, -1.4f, 0.4f, -0.1f, -3.4f},    // boreal forest
    {1.8f, 0.2f, 0.7f, -0.8f, -1.2f, -2.2f, -1.6f},   // temperate conifers
    {1.3f, -0.3f, 1.0f, -1.6f, -1.2f, -9.0f, 0.4f},   // temperate broadleaf
    {-1.1f, 0.5f, 1.5f, 0.8f, -1.0f, 0.0f, -2.2f},    // montane grassland
    {1.1f, 0.1f, 0.5f, -0.8f, 0.5f, -9.0f, -0.7f},    // mangroves
    {-0.4f, -0.2f, 1.1f, -1.2f, 1.5f, -9.0f, -0.6f},  // flooded grassland
    {0.6f, 0.9f, 1.2f, -0.5f, -1.4f, -9.0f, -0.5f},   // savanna
    {1.4f, 0.7f, 0.6f, -0.7f, -1.4f, -9.0f, 0.1f},    // tropical dry forest
    {1.8f, 0.5f, 0.5f, -0.8f, -1.6f, -9.0f, -1.0f},   // tropical conifers
}};

/// What holds for the whole tile.
struct TileConditions {
  Inclination lean;
  float crop_share;               ///< of the parcels
  float river_width, lake_level;  ///< of the river and wetness noise: water is below, or above
  float town_level;               ///< of the town noise: streets and houses are above
  float temperature, elevation;   ///< °C, and m where it holds

  /// The town noise can reach the level: it never goes beyond four deviations.
  bool settled() const { return town_level < 4; }

  explicit TileConditions(const Climate& c)
      : lean(kInclinations[static_cast<std::size_t>(c.biome)]),
        temperature(static_cast<float>(c.temperature)),
        elevation(static_cast<float>(std::max(0.0, c.elevation))) {
    const auto m = static_cast<float>(c.moisture), people = static_cast<float>(c.people);
    crop_share = 0.97f / (1 + std::exp(0.35f - lean.crops - 1.6f * people));
    river_width = m < 0.12f ? 0 : 0.004f + 0.05f * m * m * m;
    lake_level = 2.45f - 0.75f * m * world::ramp(static_cast<float>(-c.temperature), -8, 2) +
                 world::ramp(0.3f - m, 0, 0.3f) + (c.relief > 90 ? 0.5f : 0.0f);
    town_level = 2.4f - 0.75f * people + (c.temperature < -6 ? 9.0f : 0.0f);
  }
};

}  // namespace

struct Surveyor::State {
  const World* world;
  world::PlaneNoise noise;
  Surface surface;
  std::vector<float> river, town;

  void resize(int size, double step);
  void draw_fields(const Site& site, const TileConditions& tile, const Points& points);
  void draw_terrain(const Site& site);
  void draw_slopes();
  void draw_cover(const Site& site, const TileConditions& tile, const Points& points);
  std::uint8_t natural_cover(const TileConditions& tile, std::size_t i, float slope, float temperature) const;
  void draw(const Site& site, const Points& points);
};

Surveyor::Surveyor(const World& world) : state_(std::make_unique<State>()) { state_->world = &world; }
Surveyor::~Surveyor() = default;
Surveyor::Surveyor(Surveyor&&) noexcept = default;

void Surveyor::State::resize(int size, double step) {
  surface.size = size;
  surface.step = step;
  const auto count = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  surface.cover.assign(count, 0);
  surface.parcel.assign(count, 0);
  for (auto* map : {&surface.elevation, &surface.slope_east, &surface.slope_north, &surface.woods,
                    &surface.soil, &surface.wet, &surface.fine, &river, &town}) {
    map->resize(count);
  }
}

void Surveyor::State::draw_fields(const Site& site, const TileConditions& tile, const Points& points) {
  // Zones have coordinates of their own, and so noise of their own.
  const auto zone = static_cast<std::uint64_t>(site.epsg) << 32;
  const auto fill = [&](world::Field field, double wavelength, int octaves, float gain,
                        std::vector<float>& out) {
    noise.fill(world->key(field) + zone, points, wavelength, octaves, gain, out);
  };
  fill(world::kTerrain, 14000, 7, 0.52f, surface.elevation);
  fill(world::kRiver, 9000, 6, 0.48f, river);
  fill(world::kWoods, 2600, 6, 0.68f, surface.woods);
  fill(world::kSoil, 1900, 5, 0.65f, surface.soil);
  fill(world::kWet, 3300, 5, 0.55f, surface.wet);
  if (tile.settled()) fill(world::kTown, 5200, 5, 0.5f, town);
  fill(world::kFine, 70, 2, 0.8f, surface.fine);
}

void Surveyor::State::draw_terrain(const Site& site) {
  const auto base = static_cast<float>(site.climate.elevation);
  const auto relief = static_cast<float>(site.climate.relief);
  const float valley = 0.5f * relief;
  for (std::size_t i = 0; i < surface.elevation.size(); ++i) {
    const float bed = river[i] * river[i];
    float z = base + relief * surface.elevation[i] - valley / (1 + 60 * bed);
    // Only the coast lies low enough for the sea.
    if (base > 60) z = std::max(z, 1 + 0.02f * base);
    surface.elevation[i] = z;
  }
}

void Surveyor::State::draw_slopes() {
  const int size = surface.size;
  const auto at = [&](int r, int c) {
    return surface.elevation[static_cast<std::size_t>(r) * static_cast<std::size_t>(size) +
                             static_cast<std::size_t>(c)];
  };
  for (int r = 0; r < size; ++r) {
    const int up = std::max(r - 1, 0), down = std::min(r + 1, size - 1);
    const float height = static_cast<float>(surface.step * (down - up));
    for (int c = 0; c < size; ++c) {
      const int left = std::max(c - 1, 0), right = std::min(c + 1, size - 1);
      const auto i =
          static_cast<std::size_t>(r) * static_cast<std::size_t>(size) + static_cast<std::size_t>(c);
      surface.slope_east[i] =
          (at(r, right) - at(r, left)) / static_cast<float>(surface.step * (right - left));
      surface.slope_north[i] = (at(up, c) - at(down, c)) / height;
    }
  }
}

std::uint8_t Surveyor::State::natural_cover(const TileConditions& tile, std::size_t i, float slope,
                                            float temperature) const {
  const float woods = surface.woods[i], soil = surface.soil[i], wet = surface.wet[i], fine = surface.fine[i];
  const float cold = world::ramp(-temperature, 3.5f, 8), steep = world::ramp(slope, 0.45f, 0.9f);
  const float scores[6] = {
      tile.lean.trees + 1.05f * woods + 0.35f * fine - 3.2f * cold,
      tile.lean.shrub + 0.8f * soil - 0.3f * fine - 1.5f * cold,
      tile.lean.grass - 0.35f * woods - 0.35f * soil + 0.2f * wet - 1.2f * steep,
      tile.lean.bare - 0.65f * wet - 0.35f * woods + 0.3f * fine + 2.4f * steep + 0.8f * cold,
      tile.lean.wetland + 1.25f * wet - 16 * slope,
      tile.lean.moss + 0.7f * soil + 0.25f * wet - 0.6f * steep,
  };
  constexpr Cover kCovers[6] = {kTrees, kShrub, kGrass, kBare, kWetland, kMoss};
  return kCovers[std::max_element(scores, scores + 6) - scores];
}

void Surveyor::State::draw_cover(const Site& site, const TileConditions& tile, const Points& points) {
  const ParcelLayout layout(*world, site);
  const bool mangroves =
      site.climate.temperature > 18.5 && site.climate.elevation < 40 && site.climate.moisture > 0.38;
  const bool settled = tile.settled();
  const bool farmed = tile.crop_share > 0.004f;
  for (int r = 0; r < points.size; ++r) {
    const double y = points.top - (r + 0.5) * points.step;
    for (int c = 0; c < points.size; ++c) {
      const auto i =
          static_cast<std::size_t>(r) * static_cast<std::size_t>(points.size) + static_cast<std::size_t>(c);
      const double x = points.left + (c + 0.5) * points.step;
      const float z = surface.elevation[i], fine = surface.fine[i];
      const float slope = std::hypot(surface.slope_east[i], surface.slope_north[i]);
      std::uint8_t& cover = surface.cover[i];
      if (z < 0) {
        cover = z > -30 ? kWater : kSea;
        if (mangroves && z > -0.5f + 0.4f * fine) cover = kMangrove;
        continue;
      }
      const float temperature = tile.temperature - 0.0062f * (z - tile.elevation);
      if (temperature < -9.5f + 0.9f * surface.soil[i] + 0.3f * fine && slope < 1.1f) {
        cover = kSnow;
        continue;
      }
      if (std::abs(river[i]) < tile.river_width || surface.wet[i] - 3 * slope > tile.lake_level) {
        cover = kWater;
        continue;
      }
      if (mangroves && z < 4.5f + 2.5f * surface.wet[i]) {
        cover = kMangrove;
        continue;
      }
      if (settled && town[i] + 0.18f * fine > tile.town_level && slope < 0.35f) {
        const Parcel block = layout.block_at(x, y);
        surface.parcel[i] = block.edge < layout.street_width() ? 2u : block.id;
        const float park = world::unit(world::mix(block.id), 8);
        cover = block.edge < layout.street_width() ? kBuilt
                : park < 0.06f                     ? kTrees
                : park < 0.14f                     ? kGrass
                                                   : kBuilt;
        continue;
      }
      cover = natural_cover(tile, i, slope, temperature);
      if (!farmed || slope > 0.22f || cover == kWetland) continue;
      const Parcel parcel = layout.at(x, y);
      if (parcel.id == 0) continue;
      const float use = world::unit(world::mix(parcel.id), 8);
      if (use > tile.crop_share + 0.12f) continue;
      surface.parcel[i] = parcel.id;
      if (use > tile.crop_share) {
        cover = world::unit(world::mix(parcel.id), 32) < 0.25f ? kTrees : kGrass;
      } else {
        cover = kCrops;
      }
      if (parcel.edge < 4.5f) cover = kGrass;
      if (layout.hedges() && parcel.edge < 9 && world::unit(world::mix(parcel.id + 9), 8) < 0.5f)
        cover = kTrees;
    }
  }
}

void Surveyor::State::draw(const Site& site, const Points& points) {
  resize(points.size, points.step);
  const TileConditions tile(site.climate);
  draw_fields(site, tile, points);
  draw_terrain(site);
  draw_slopes();
  draw_cover(site, tile, points);
}

const Surface& Surveyor::survey(const Site& site, int margin) {
  const double edge = 10.0 * margin;
  state_->draw(site, {site.left - edge, site.top + edge, 10, state_->world->options().size + 2 * margin});
  return state_->surface;
}

std::array<std::uint32_t, kLandCoverClasses> Surveyor::estimate(const Site& site) {
  std::array<std::uint32_t, kLandCoverClasses> histogram{};
  const int size = state_->world->options().size;
  const auto pixels = static_cast<std::uint32_t>(size) * static_cast<std::uint32_t>(size);
  if (site.climate.elevation < -30 - 6 * site.climate.relief) {  // far out at sea
    histogram[0] = pixels;
    return histogram;
  }
  constexpr int kPoints = 6;
  state_->draw(site, {site.left, site.top, 10.0 * size / kPoints, kPoints});
  const auto counts = geo::land_cover_histogram(state_->surface.cover);
  constexpr std::uint32_t kCount = kPoints * kPoints;
  std::uint32_t before = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    const std::uint32_t after = before + counts[k];
    histogram[k] = after * pixels / kCount - before * pixels / kCount;
    before = after;
  }
  return histogram;
}

}  // namespace terramill::corpus
