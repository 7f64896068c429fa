#include "world_radar.hpp"

#include "world_fields.hpp"
#include "world_noise.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace terramill::corpus::world {
namespace {

/// Typical backscatter of a cover in dB at an incidence of 38 degrees, and how much texture it has.
struct Response {
  float co, cross, texture;
};
Response response_of(const Ground& ground, const Surface& surface, std::size_t i, const Scene& scene) {
  switch (surface.cover[i]) {
    case 10:
      return {-8.0f - 0.6f * ground.needles(surface, i), -13.8f - 0.8f * ground.needles(surface, i), 0.5f};
    case 20:
      return {-11.2f, -17.2f, 0.8f};
    case 30:
      return {-12.3f, -19.4f, 0.7f};
    case 40: {
      const float green = ground.crop_green(surface.parcel[i]);
      const float rough = unit(mix(surface.parcel[i] + 21), 8);
      return {-13.5f + 2.0f * rough + 2.5f * green, -21.5f + 1.5f * rough + 5.5f * green, 0.4f};
    }
    case 50: {
      if (surface.parcel[i] == 2u) return {-8.5f, -17.0f, 1.5f};
      const float block = unit(mix(surface.parcel[i] + 22), 8);
      return {-6.5f + 4.5f * block, -14.0f + 3.0f * block, 2.6f};
    }
    case 60:
      return {-14.8f, -23.2f, 1.2f};
    case 70:
      return {-11.0f + 3.0f * surface.soil[i], -18.0f + 3.0f * surface.soil[i], 0.6f};
    case 90:
      return {-11.0f - 1.2f * surface.wet[i], -18.2f - 0.8f * surface.wet[i], 1.4f};
    case 95:
      return {-8.8f, -14.6f, 0.7f};
    case 100:
      return {-13.2f, -21.3f, 0.8f};
    default: {
      const auto wind = static_cast<float>(scene.wind);
      return {-23.5f + 9.5f * wind, -30.0f + 4.0f * wind, 0.3f};
    }
  }
}

/// Speckle in dB: quantiles of a mean of five looks, each an exponential, drawn once from a fixed sequence.
constexpr std::size_t kQuantiles = 4096;
const std::array<float, kQuantiles>& speckle_table() {
  static const std::array<float, kQuantiles> table = [] {
    constexpr int kLooks = 5;
    std::array<float, kQuantiles> made{};
    for (std::size_t i = 0; i < kQuantiles; ++i) {
      double sum = 0;
      for (std::uint64_t look = 0; look < kLooks; ++look) {
        sum -= std::log((static_cast<double>(mix(i * kLooks + look) >> 11) + 0.5) * 0x1p-53);
      }
      made[i] = static_cast<float>(10 * std::log10(sum / kLooks));
    }
    return made;
  }();
  return table;
}

}  // namespace

int bands_of(Polarisation polarisation) noexcept {
  switch (polarisation) {
    case Polarisation::kNone:
      return 0;
    case Polarisation::kVv:
    case Polarisation::kHh:
      return 1;
    case Polarisation::kVvVh:
    case Polarisation::kHhHv:
      return 2;
  }
  return 0;
}

void look_by_radar(const Ground& ground, const Scene& scene, const Surface& surface, int orbit, float* out) {
  const auto side = static_cast<std::size_t>(orbit);
  const Polarisation polarisation = scene.radar[side];
  const bool horizontal = polarisation == Polarisation::kHh || polarisation == Polarisation::kHhHv;
  const int bands = bands_of(polarisation);
  const std::size_t count = surface.cover.size();
  const auto incidence = static_cast<float>(scene.incidence[side]);
  // Smooth ground darkens with the incidence, woods hardly.
  const float steepness = (incidence - 0.66f) * -9.0f;
  const float towards = (orbit == 0 ? -1.0f : 1.0f) * 14.0f;
  const auto gain = static_cast<float>(scene.radar_gain[side]);
  const auto base = static_cast<std::uint32_t>(mix(scene.key + 200 + side));
  const auto& speckle = speckle_table();
  for (std::size_t i = 0; i < count; ++i) {
    const Response response = response_of(ground, surface, i, scene);
    const bool water = surface.cover[i] == 80 || surface.cover[i] == 0;
    const float slope = water ? 0 : std::clamp(towards * surface.slope_east[i], -8.0f, 8.0f);
    const float common = gain + slope + steepness * (surface.cover[i] == 10 ? 0.3f : 1.0f) +
                         response.texture * 0.8f * surface.fine[i];
    for (int band = 0; band < bands; ++band) {
      const auto own = static_cast<std::uint32_t>(i) * 4u + static_cast<std::uint32_t>(band);
      const float mean = band == 0 ? response.co + (horizontal ? 0.7f : 0.0f) : response.cross;
      out[static_cast<std::size_t>(band) * count + i] = mean + common + speckle[mix32(base + own) >> 20];
    }
  }
}

}  // namespace terramill::corpus::world
