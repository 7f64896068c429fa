#pragma once

#include <terramill/geo/grid.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace terramill::geo {

/// Writes an 8-bit image; `pixels` is [height, width, channels] with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
/// Equal input gives equal bytes. Written under a temporary name and renamed, not synced. IoError or
/// LibraryError with the path.
void write_png(const std::filesystem::path& path, int width, int height, std::span<const std::uint8_t> pixels,
               int channels = 3);

struct GeoTiffOptions {
  std::vector<std::string> band_names = {};  ///< stored as band descriptions; empty, or one per band
  std::optional<double> no_data = {};
  std::vector<std::pair<std::string, std::string>> metadata =
      {};                ///< items of the dataset, e.g. TIFFTAG_COPYRIGHT
  bool compress = true;  ///< deflate with the predictor that suits T; otherwise raw strips
};

/// Writes a GeoTIFF of `values` [bands, grid.height, grid.width]; T as in Raster. Equal input gives equal
/// bytes. Written under a temporary name and renamed, not synced. IoError or LibraryError with
/// the path.
template <typename T>
void write_geotiff(const std::filesystem::path& path, const Grid& grid, std::span<const T> values,
                   const GeoTiffOptions& options = {});

}  // namespace terramill::geo
