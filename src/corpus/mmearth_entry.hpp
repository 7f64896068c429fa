#pragma once

#include <terramill/core/expected.hpp>
#include <terramill/corpus/tile.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace terramill::corpus {

/// What tile_info says of one MMEarth tile (spec: MMEarth's tile_info.json).
struct MmearthEntry {
  /// Groups of bands in the order in which the merged GeoTIFF holds them.
  enum Group : std::size_t {
    kSentinel2,
    kAscending,
    kDescending,
    kAster,
    kDynamicWorld,
    kCanopy,
    kWorldCover,
    kGroups
  };

  TileRecord record;  ///< id, location, CRS, date, S2 type, biome, eco-region
  int month = 0;      ///< 1 … 12
  std::array<std::vector<std::string>, kGroups> bands;
  std::array<bool, kGroups> listed{};  ///< the group's key is there and not null
  std::array<float, 12> era5{};        ///< previous month, month, year; NaN where null
  bool has_era5 = false;

  std::size_t total_bands() const;
};

/// Parses the value of a tile. The fault is a sentence that names what is missing or wrong.
Expected<MmearthEntry, std::string> parse_mmearth_entry(const std::string& tile_id, const std::string& json);

}  // namespace terramill::corpus
