#include "gdal.hpp"
#include "gdal_output.hpp"

#include <terramill/core/error.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/geo/raster.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

namespace terramill::geo {
namespace {

template <typename T>
void fill_band(GDALDatasetH dataset, int band, const Grid& grid, const T* values, const ErrorCapture& errors,
               const std::filesystem::path& path) {
  // GDALRasterIO takes a buffer that it could write to; with GF_Write it does not.
  const CPLErr status =
      GDALRasterIO(GDALGetRasterBand(dataset, band), GF_Write, 0, 0, grid.width, grid.height,
                   const_cast<T*>(values), grid.width, grid.height, gdal_type<T>(), 0, 0);
  if (status != CE_None) fail(errors, "write an image", path);
}

}  // namespace

void write_png(const std::filesystem::path& path, int width, int height, std::span<const std::uint8_t> pixels,
               int channels) {
  const std::size_t expected =
      static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * static_cast<std::size_t>(channels);
  if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4) ||
      pixels.size() != expected) {
    throw Error("the image's size does not fit its pixels", {"write a PNG image", path, ""});
  }
  const Dataset image = create_in_memory(width, height, channels, GDT_Byte);
  const ErrorCapture errors;
  // Band c is every `channels`-th byte; with GF_Write GDAL does not write to the buffer.
  const CPLErr filled = GDALDatasetRasterIO(image.get(), GF_Write, 0, 0, width, height,
                                            const_cast<std::uint8_t*>(pixels.data()), width, height, GDT_Byte,
                                            channels, nullptr, channels, width * channels, 1);
  if (filled != CE_None) fail(errors, "write a PNG image", path);
  const MemoryFile file(".png");
  Dataset png(
      GDALCreateCopy(GDALGetDriverByName("PNG"), file.name(), image.get(), TRUE, nullptr, nullptr, nullptr));
  if (!png) fail(errors, "write a PNG image", path);
  png.reset();
  if (errors.failed()) fail(errors, "write a PNG image", path);
  file.store(path);
}

template <typename T>
void write_geotiff(const std::filesystem::path& path, const Grid& grid, std::span<const T> values,
                   const GeoTiffOptions& options) {
  init_gdal();
  const std::size_t bands = bands_of(grid, values.size(), options.band_names, "write a GeoTIFF", path);
  const std::size_t pixels = values.size() / bands;
  const ErrorCapture errors;
  StringList creation;
  creation.set("INTERLEAVE", "BAND");
#if GDAL_VERSION_NUM < 3070000
  if (std::is_same_v<T, std::int8_t>) creation.set("PIXELTYPE", "SIGNEDBYTE");  // GDT_Int8 came with 3.7
#endif
  if (options.compress) {
    creation.set("COMPRESS", "DEFLATE");
    creation.set("PREDICTOR", std::is_floating_point_v<T> ? "3" : "2");
  }
  constexpr std::size_t kStripBytes = 1u << 18;
  const std::size_t row_bytes = static_cast<std::size_t>(grid.width) * sizeof(T);
  const std::size_t strip_rows =
      std::clamp<std::size_t>(kStripBytes / row_bytes, 1, static_cast<std::size_t>(grid.height));
  creation.set("BLOCKYSIZE", std::to_string(strip_rows));

  const MemoryFile file(".tif");
  Dataset tiff(GDALCreate(GDALGetDriverByName("GTiff"), file.name(), grid.width, grid.height,
                          static_cast<int>(bands), gdal_type<T>(), creation.get()));
  if (!tiff) fail(errors, "write a GeoTIFF", path);
  set_grid(tiff.get(), grid, errors, path);
  for (const auto& [name, value] : options.metadata) {
    if (GDALSetMetadataItem(tiff.get(), name.c_str(), value.c_str(), nullptr) != CE_None) {
      fail(errors, "write a GeoTIFF's metadata", path);
    }
  }
  for (std::size_t band = 0; band < bands; ++band) {
    const int number = static_cast<int>(band) + 1;
    GDALRasterBandH handle = GDALGetRasterBand(tiff.get(), number);
    if (!options.band_names.empty()) GDALSetDescription(handle, options.band_names[band].c_str());
    if (options.no_data && GDALSetRasterNoDataValue(handle, *options.no_data) != CE_None) {
      fail(errors, "write a GeoTIFF's no-data value", path);
    }
    fill_band(tiff.get(), number, grid, values.data() + band * pixels, errors, path);
  }
  tiff.reset();
  if (errors.failed()) fail(errors, "write a GeoTIFF", path);
  file.store(path);
}

template void write_geotiff<std::uint8_t>(const std::filesystem::path&, const Grid&,
                                          std::span<const std::uint8_t>, const GeoTiffOptions&);
template void write_geotiff<std::int8_t>(const std::filesystem::path&, const Grid&,
                                         std::span<const std::int8_t>, const GeoTiffOptions&);
template void write_geotiff<std::uint16_t>(const std::filesystem::path&, const Grid&,
                                           std::span<const std::uint16_t>, const GeoTiffOptions&);
template void write_geotiff<std::int16_t>(const std::filesystem::path&, const Grid&,
                                          std::span<const std::int16_t>, const GeoTiffOptions&);
template void write_geotiff<std::int32_t>(const std::filesystem::path&, const Grid&,
                                          std::span<const std::int32_t>, const GeoTiffOptions&);
template void write_geotiff<float>(const std::filesystem::path&, const Grid&, std::span<const float>,
                                   const GeoTiffOptions&);
template void write_geotiff<double>(const std::filesystem::path&, const Grid&, std::span<const double>,
                                    const GeoTiffOptions&);

}  // namespace terramill::geo
