#include "cloud_share.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

namespace terramill::corpus {
namespace {

constexpr unsigned kUnknown16 = 65535, kUnknown8 = 255;
constexpr unsigned kQa60Clouds = (1u << 10) | (1u << 11);

template <typename T, typename Known, typename Cloudy>
std::optional<float> share(const Schema& schema, const Tile& tile, std::string_view modality, Known known,
                           Cloudy cloudy) {
  const auto& bytes = tile.values[static_cast<std::size_t>(schema.index_of(modality))];
  std::size_t valid = 0, clouds = 0;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    if (!known(value)) continue;
    ++valid;
    clouds += cloudy(value) ? 1 : 0;
  }
  if (valid == 0) return std::nullopt;
  return static_cast<float>(100.0 * static_cast<double>(clouds) / static_cast<double>(valid));
}

}  // namespace

float mmearth_cloud_share(const Schema& schema, const Tile& tile) {
  const auto not_masked = [](unsigned value) { return value != kUnknown16; };
  if (const auto found = share<std::uint8_t>(
          schema, tile, "sentinel2_scl", [](unsigned value) { return value != 0 && value != kUnknown8; },
          [](unsigned value) { return value >= 8 && value <= 10; })) {
    return *found;
  }
  if (const auto found = share<std::uint16_t>(schema, tile, "sentinel2_cloudprod", not_masked,
                                              [](unsigned value) { return value >= 50; })) {
    return *found;
  }
  if (const auto found = share<std::uint16_t>(schema, tile, "sentinel2_cloudmask", not_masked,
                                              [](unsigned value) { return (value & kQa60Clouds) != 0; })) {
    return *found;
  }
  return std::numeric_limits<float>::quiet_NaN();
}

}  // namespace terramill::corpus
