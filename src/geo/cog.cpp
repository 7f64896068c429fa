#include "gdal.hpp"
#include "gdal_output.hpp"

#include <terramill/core/error.hpp>
#include <terramill/geo/cog.hpp>
#include <terramill/geo/raster.hpp>

#include <cstddef>

namespace terramill::geo {

void write_cog(const std::filesystem::path& path, const Grid& grid, std::span<const float> values,
               const GeoTiffOptions& options) {
  init_gdal();
  const std::size_t bands =
      bands_of(grid, values.size(), options.band_names, "write a Cloud Optimized GeoTIFF", path);
  const std::size_t pixels = values.size() / bands;
  const ErrorCapture errors;
  const Dataset image = create_in_memory(grid.width, grid.height, static_cast<int>(bands), GDT_Float32);
  set_grid(image.get(), grid, errors, path);
  for (const auto& [name, value] : options.metadata) {
    if (GDALSetMetadataItem(image.get(), name.c_str(), value.c_str(), nullptr) != CE_None) {
      fail(errors, "write a GeoTIFF's metadata", path);
    }
  }
  for (std::size_t band = 0; band < bands; ++band) {
    GDALRasterBandH handle = GDALGetRasterBand(image.get(), static_cast<int>(band) + 1);
    if (!options.band_names.empty()) GDALSetDescription(handle, options.band_names[band].c_str());
    if (options.no_data && GDALSetRasterNoDataValue(handle, *options.no_data) != CE_None) {
      fail(errors, "write a GeoTIFF's no-data value", path);
    }
    // With GF_Write GDAL does not write to the buffer.
    if (GDALRasterIO(handle, GF_Write, 0, 0, grid.width, grid.height,
                     const_cast<float*>(values.data() + band * pixels), grid.width, grid.height, GDT_Float32,
                     0, 0) != CE_None) {
      fail(errors, "write a Cloud Optimized GeoTIFF", path);
    }
  }
  StringList creation;
  creation.set("COMPRESS", "DEFLATE");
  creation.set("PREDICTOR", "YES");
  creation.set("RESAMPLING", "AVERAGE");
  creation.set("BIGTIFF", "IF_SAFER");
  const MemoryFile file(".tif");
  GDALDriverH driver = GDALGetDriverByName("COG");
  if (driver == nullptr) {
    throw LibraryError("this GDAL has no COG driver",
                       {"write a Cloud Optimized GeoTIFF", path, "GDAL 3.1 or newer has it"});
  }
  Dataset cog(GDALCreateCopy(driver, file.name(), image.get(), TRUE, creation.get(), nullptr, nullptr));
  if (!cog) fail(errors, "write a Cloud Optimized GeoTIFF", path);
  cog.reset();
  if (errors.failed()) fail(errors, "write a Cloud Optimized GeoTIFF", path);
  file.store(path);
}

}  // namespace terramill::geo
