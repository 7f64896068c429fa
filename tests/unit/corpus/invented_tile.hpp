#pragma once

#include <terramill/core/philox.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>

#include <cmath>
#include <cstring>
#include <string>

namespace terramill::corpus {

/// A tile of random values, small enough to compress, with some no-data; a function of `seed` and `number`
/// alone.
inline Tile invented_tile(const Schema& schema, std::uint64_t seed, std::uint64_t number) {
  PhiloxStream stream(seed, Purpose::kTest, number);
  Tile tile;
  tile.record.tile_id = "tile-" + std::to_string(number);
  tile.record.lon = stream.uniform(-180, 180);
  tile.record.lat = stream.uniform(-90, 90);
  tile.record.crs = "EPSG:32633";
  tile.record.transform = {stream.uniform(), 10, 0, stream.uniform(), 0, -10};
  tile.record.date = "2019-07-14";
  tile.record.s2_type = number % 2 == 0 ? S2Type::kL2A : S2Type::kL1C;
  tile.record.biome = static_cast<std::int16_t>(stream.below(14));
  tile.record.eco_region = static_cast<std::int16_t>(stream.below(846));
  tile.record.land_cover[stream.below(kLandCoverClasses)] = 256;
  tile.record.present = (1u << schema.modalities.size()) - 1;
  tile.record.cloud = static_cast<float>(stream.uniform(0, 100));
  tile.record.split = static_cast<Split>(stream.below(3));
  for (const Modality& modality : schema.modalities) {
    std::vector<std::byte>& values = tile.values.emplace_back(schema.tile_bytes(modality));
    for (std::size_t at = 0; at < values.size(); at += size_of(modality.dtype)) {
      if (modality.dtype == DType::kFloat32) {
        const float value = stream.below(10) == 0 ? -INFINITY : static_cast<float>(stream.below(1000)) / 8;
        std::memcpy(values.data() + at, &value, sizeof(value));
      } else {
        values[at] = static_cast<std::byte>(stream.below(64));
      }
    }
  }
  return tile;
}

}  // namespace terramill::corpus
