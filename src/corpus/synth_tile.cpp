#include "synth_info.hpp"
#include "world_fields.hpp"
#include "world_noise.hpp"
#include "world_optics.hpp"
#include "world_radar.hpp"

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/synth.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>

namespace terramill::corpus {
namespace {

constexpr float kCanopyMissing = 255;

/// Dynamic World's value for an ESA WorldCover code, and what it is taken for where the product errs.
struct Counterpart {
  std::uint8_t right, first, second;
};
Counterpart counterpart_of(int code) {
  switch (code) {
    case 10:
      return {2, 6, 3};
    case 20:
      return {6, 3, 8};
    case 30:
      return {3, 6, 5};
    case 40:
      return {5, 3, 8};
    case 50:
      return {7, 8, 5};
    case 60:
      return {8, 6, 7};
    case 70:
      return {9, 8, 1};
    case 90:
      return {4, 3, 1};
    case 95:
      return {4, 2, 2};
    case 100:
      return {6, 3, 8};
    default:
      return {1, 1, 4};
  }
}

}  // namespace

struct TilePainter::State {
  const World* world;
  Surveyor surveyor;
  world::OpticalSensor sensor;
  world::PlaneNoise noise;
  std::vector<float> errors;
  RawTile tile;
  std::size_t next = 0;  ///< band to be filled

  explicit State(const World& of) : world(&of), surveyor(of) {}

  std::span<float> band() {
    const auto area = static_cast<std::size_t>(tile.grid.width) * static_cast<std::size_t>(tile.grid.height);
    return std::span(tile.values).subspan(next++ * area, area);
  }
  void prepare(const Site& site, const Scene& scene);
  void paint_optical(const world::OpticalImage& image, const Scene& scene);
  void paint_radar(const Site& site, const Scene& scene, const Surface& surface);
  void paint_terrain(const Scene& scene, const Surface& surface);
  void paint_labels(const Scene& scene, const Surface& surface, const Site& site);
  void paint_canopy(const Site& site, const Scene& scene, const Surface& surface);
};

TilePainter::TilePainter(const World& world) : state_(std::make_unique<State>(world)) {}
TilePainter::~TilePainter() = default;
TilePainter::TilePainter(TilePainter&&) noexcept = default;

void TilePainter::State::prepare(const Site& site, const Scene& scene) {
  const int side = world->options().size + 2 * kRawMargin;
  tile.grid.width = tile.grid.height = side;
  tile.grid.transform = {site.left - 10 * kRawMargin, 10, 0, site.top + 10 * kRawMargin, 0, -10};
  tile.grid.crs = "EPSG:" + std::to_string(site.epsg);
  auto& names = tile.band_names;
  names = optical_bands(scene);
  for (const std::size_t orbit : {0u, 1u}) {
    for (const std::string& band : radar_bands(scene.radar[orbit]))
      names.push_back((orbit == 0 ? "asc_" : "desc_") + band);
  }
  names.insert(names.end(), {"b1", "slope"});
  if (scene.dynamic_world) names.push_back("label");
  names.insert(names.end(), {"height", "std", "Map"});
  tile.values.resize(names.size() * static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  next = 0;
}

const RawTile& TilePainter::paint(std::uint64_t i) {
  State& state = *state_;
  const Site site = state.world->site(i);
  const Scene scene = state.world->scene(i, site);
  state.prepare(site, scene);
  const Surface& surface = state.surveyor.survey(site, kRawMargin);
  state.paint_optical(state.sensor.look(*state.world, site, scene, surface), scene);
  state.paint_radar(site, scene, surface);
  state.paint_terrain(scene, surface);
  state.paint_labels(scene, surface, site);
  state.paint_canopy(site, scene, surface);
  std::ranges::copy(surface.cover, state.band().begin());
  return state.tile;
}

void TilePainter::State::paint_optical(const world::OpticalImage& image, const Scene& scene) {
  const std::size_t area = image.qa60.size();
  for (std::size_t b = 0; b < world::kBands; ++b) {
    if (scene.type == S2Type::kL2A && mmearth_s2_bands()[b] == "B10") continue;
    std::ranges::copy(std::span(image.bands).subspan(b * area, area), band().begin());
  }
  if (scene.type == S2Type::kL2A) {
    if (scene.cloud_probability) std::ranges::copy(image.cloudprob, band().begin());
    std::ranges::copy(image.scl, band().begin());
  }
  std::ranges::copy(image.qa60, band().begin());
}

void TilePainter::State::paint_radar(const Site& site, const Scene& scene, const Surface& surface) {
  const world::Ground ground(*world, site, scene);
  for (int orbit = 0; orbit < 2; ++orbit) {
    const int bands = world::bands_of(scene.radar[static_cast<std::size_t>(orbit)]);
    if (bands == 0) continue;
    float* const into = band().data();
    if (bands == 2) band();
    world::look_by_radar(ground, scene, surface, orbit, into);
  }
}

/// ASTER's elevation and slope, with its errors of some metres.
void TilePainter::State::paint_terrain(const Scene& scene, const Surface& surface) {
  const auto elevation = band(), slope = band();
  const auto base = static_cast<std::uint32_t>(world::mix(scene.key + 301));
  for (std::size_t i = 0; i < elevation.size(); ++i) {
    const bool water = surface.cover[i] == 80 || surface.cover[i] == 0;
    const float error = water ? 0 : 2.2f * surface.fine[i];
    elevation[i] = static_cast<float>(static_cast<int>(std::max(0.0f, surface.elevation[i] + error)));
    const float rise = water ? 0 : std::hypot(surface.slope_east[i], surface.slope_north[i]);
    const float doubt =
        water ? 0 : 0.35f * std::abs(world::bell(world::mix32(base + static_cast<std::uint32_t>(i))));
    slope[i] = std::atan(rise) * static_cast<float>(180 / std::numbers::pi) + doubt;
  }
}

void TilePainter::State::paint_labels(const Scene& scene, const Surface& surface, const Site& site) {
  if (!scene.dynamic_world) return;
  const auto labels = band();
  // The errors come in patches, and wherever covers meet.
  errors.resize(labels.size());
  noise.fill(world::mix(scene.key + world::kConfusion), {site.left, site.top, 10, surface.size}, 160, 3, 0.6f,
             errors);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Counterpart counterpart = counterpart_of(surface.cover[i]);
    labels[i] = errors[i] > 1.75f    ? counterpart.first
                : errors[i] < -1.95f ? counterpart.second
                                     : counterpart.right;
    if (surface.cover[i] == 0) labels[i] = 0;  // open sea is not mapped
  }
}

void TilePainter::State::paint_canopy(const Site& site, const Scene& scene, const Surface& surface) {
  const auto height = band(), deviation = band();
  const Climate& climate = site.climate;
  const float tall = 7 + 22 * static_cast<float>(climate.moisture) *
                             world::ramp(static_cast<float>(climate.temperature), -9, 18);
  const auto base = static_cast<std::uint32_t>(world::mix(scene.key + 302));
  for (std::size_t i = 0; i < height.size(); ++i) {
    const float doubt = world::bell(world::mix32(base + static_cast<std::uint32_t>(i)));
    float canopy = 0;
    switch (surface.cover[i]) {
      case 0:
        height[i] = deviation[i] = kCanopyMissing;
        continue;
      case 10:
        canopy = tall * (1 + 0.16f * surface.woods[i]) + 2.2f * surface.fine[i];
        break;
      case 20:
        canopy = 2 + 0.8f * surface.soil[i];
        break;
      case 30:
      case 40:
        canopy = 0.4f;
        break;
      case 50:
        canopy = 2 + 1.5f * surface.fine[i];
        break;
      case 90:
        canopy = 1;
        break;
      case 95:
        canopy = 9 + 2.5f * surface.woods[i];
        break;
      default:
        break;
    }
    canopy = std::max(0.0f, canopy + 0.9f * doubt * (canopy > 0 ? 1.0f : 0.3f));
    height[i] = static_cast<float>(static_cast<int>(canopy + 0.5f));
    deviation[i] = static_cast<float>(static_cast<int>(1.5f + 0.25f * canopy + 0.5f * std::abs(doubt)));
  }
}

}  // namespace terramill::corpus
