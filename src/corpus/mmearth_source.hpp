#pragma once

#include "mmearth_entry.hpp"
#include "tile_info.hpp"

#include <terramill/corpus/source.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace terramill::corpus {

/// The folder that MMEarth's downloader leaves: `merged/<tile_id>.tif` and one `*_tile_info.json`. Candidates
/// are the entries of tile_info in their order, as for the official converter (MMEarth-data,
/// convert_to_h5.py).
class MmearthTilesSource final : public Source {
 public:
  explicit MmearthTilesSource(const SourceOptions& options);

  const Schema& schema() const override { return schema_; }
  std::uint64_t candidates() const override { return tile_info_.size(); }
  Expected<Tile, TileFault> load(std::uint64_t i) const override;
  Json describe() const override;

 private:
  /// The bands of one merged GeoTIFF, cut to the tile: [bands, size, size].
  struct Pixels {
    std::vector<float> values;
    std::array<double, 6> transform{};
    std::string crs;
  };
  Expected<Pixels, std::string> read_pixels(const MmearthEntry& entry,
                                            const std::filesystem::path& file) const;
  void require_folder() const;
  std::optional<std::string> convert(const MmearthEntry& entry, const Pixels& pixels, Tile& tile) const;
  void convert_image_level(const MmearthEntry& entry, Tile& tile) const;

  SourceOptions options_;
  std::filesystem::path folder_;  ///< with merged/ and the tile_info: the input or its one subfolder
  TileInfo tile_info_;
  std::uint64_t device_ = 0;  ///< of merged/
  Schema schema_;
};

}  // namespace terramill::corpus
