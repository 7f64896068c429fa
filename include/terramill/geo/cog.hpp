#pragma once

#include <terramill/geo/image.hpp>

#include <filesystem>
#include <span>

namespace terramill::geo {

/// Writes a Cloud Optimized GeoTIFF of `values` [bands, grid.height, grid.width] through GDAL's COG driver:
/// tiles of 512 pixels, deflate, overviews by averaging where the raster is larger than a tile. Equal input
/// gives equal bytes. Written under a temporary name and renamed, not synced. `options.compress` is not
/// looked at. IoError or LibraryError with the path.
void write_cog(const std::filesystem::path& path, const Grid& grid, std::span<const float> values,
               const GeoTiffOptions& options = {});

}  // namespace terramill::geo
