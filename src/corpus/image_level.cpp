#include "image_level.hpp"

#include "tile_values.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace terramill::corpus {
namespace {

std::array<float, 2> on_circle(double radians) {
  return {static_cast<float>(std::sin(radians)), static_cast<float>(std::cos(radians))};
}

}  // namespace

void store_image_level(const Schema& schema, std::string_view modality, std::span<const float> values,
                       Tile& tile) {
  const auto m = static_cast<std::size_t>(schema.index_of(modality));
  store_values(schema.modalities[m], values, 0, Cast::kNearest, tile.values[m]);
  mark_present(schema, m, tile);
}

void store_location(const Schema& schema, Tile& tile) {
  store_image_level(schema, "lat", on_circle(tile.record.lat * (std::numbers::pi / 180)), tile);
  store_image_level(schema, "lon", on_circle(tile.record.lon * (std::numbers::pi / 180)), tile);
}

void store_month(const Schema& schema, int month, Tile& tile) {
  store_image_level(schema, "month", on_circle(2 * std::numbers::pi * month / 12), tile);
}

}  // namespace terramill::corpus
