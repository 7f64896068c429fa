#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace terramill::corpus {

inline constexpr int kLandCoverClasses = 12;  ///< 0 = none or ocean, then the 11 of ESA WorldCover

enum class S2Type : std::uint8_t { kNone = 0, kL1C = 1, kL2A = 2 };
enum class Split : std::uint8_t { kTrain = 0, kValidation = 1, kTest = 2 };

/// A row of the index: all that is known of a tile besides its values (docs/formats.md).
struct TileRecord {
  std::string tile_id;
  double lon = std::numeric_limits<double>::quiet_NaN();  ///< degrees, WGS 84, tile centre
  double lat = std::numeric_limits<double>::quiet_NaN();
  std::string crs;  ///< "EPSG:32633"; empty when unknown
  std::array<double, 6>
      transform{};   ///< GDAL geotransform of the tile's upper left corner; all 0 when unknown
  std::string date;  ///< acquisition of Sentinel-2, "YYYY-MM-DD"; empty when unknown
  S2Type s2_type = S2Type::kNone;
  std::int16_t biome = -1;                                    ///< 0 … 13, -1 unknown
  std::int16_t eco_region = -1;                               ///< 0 … 845, -1 unknown
  std::array<std::uint32_t, kLandCoverClasses> land_cover{};  ///< pixels per class
  std::uint32_t present = 0;                                  ///< bit m: modality m of the schema has data
  float cloud = std::numeric_limits<float>::quiet_NaN();      ///< percent of pixels; NaN unknown
  std::int32_t label = -1;                                    ///< class of a labelled corpus; -1 none
  std::uint64_t label_bits = 0;                               ///< bit c: class c, multi-label
  Split split = Split::kTrain;
  std::uint32_t shard = 0, row = 0;

  bool operator==(const TileRecord&) const = default;
};

/// A tile in memory: its record and, per modality of the schema, the decoded values [C, H, W] or [C] in the
/// modality's type, native byte order. An absent modality is filled with its no-data value (0 where it has
/// none).
struct Tile {
  TileRecord record;
  std::vector<std::vector<std::byte>> values;
};

/// Why a candidate tile was set aside: a line of quarantine.jsonl.
struct TileFault {
  std::string tile_id;
  std::string file;  ///< relative to the source's root
  std::string reason;
};

}  // namespace terramill::corpus
