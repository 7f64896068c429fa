#include "gdal.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/geo/raster.hpp>

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <type_traits>

#include <cpl_string.h>
#include <cpl_vsi.h>

namespace terramill::geo {
namespace {

/// A file of GDAL's memory file system, removed at the end of scope.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& extension) : name_(memory_name(extension)) {}
  ~MemoryFile() { VSIUnlink(name_.c_str()); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const char* name() const noexcept { return name_.c_str(); }

  /// Writes its bytes to `path`: what has its final name is whole.
  void store(const std::filesystem::path& path) const {
    vsi_l_offset size = 0;
    const GByte* bytes = VSIGetMemFileBuffer(name(), &size, FALSE);
    if (bytes == nullptr) throw LibraryError("GDAL wrote no file", {"write an image", path, ""});
    const auto temporary = temporary_name(path);
    auto file = FileDescriptor::create(temporary);
    file.write(std::as_bytes(std::span(bytes, static_cast<std::size_t>(size))));
    file.close();
    std::error_code status;
    std::filesystem::rename(temporary, path, status);
    if (status)
      throw IoError("cannot rename " + temporary.string(), status.value(), {"write an image", path, ""});
  }

 private:
  std::string name_;
};

[[noreturn]] void fail(const ErrorCapture& errors, const char* attempted, const std::filesystem::path& path) {
  throw LibraryError(errors.text("GDAL gave no reason"), {attempted, path, ""});
}

template <typename T>
void fill_band(GDALDatasetH dataset, int band, const Grid& grid, const T* values, const ErrorCapture& errors,
               const std::filesystem::path& path) {
  // GDALRasterIO takes a buffer that it could write to; with GF_Write it does not.
  const CPLErr status =
      GDALRasterIO(GDALGetRasterBand(dataset, band), GF_Write, 0, 0, grid.width, grid.height,
                   const_cast<T*>(values), grid.width, grid.height, gdal_type<T>(), 0, 0);
  if (status != CE_None) fail(errors, "write an image", path);
}

class StringList {
 public:
  ~StringList() { CSLDestroy(list_); }
  StringList() = default;
  StringList(const StringList&) = delete;
  StringList& operator=(const StringList&) = delete;
  void set(const char* name, const std::string& value) {
    list_ = CSLSetNameValue(list_, name, value.c_str());
  }
  char** get() const noexcept { return list_; }

 private:
  char** list_ = nullptr;
};

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
  const std::size_t pixels = static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height);
  const std::size_t bands = pixels == 0 ? 0 : values.size() / pixels;
  if (bands == 0 || values.size() != bands * pixels ||
      (!options.band_names.empty() && options.band_names.size() != bands)) {
    throw Error("the grid and the band names do not fit the values", {"write a GeoTIFF", path, ""});
  }
  const ErrorCapture errors;
  StringList creation;
  creation.set("INTERLEAVE", "BAND");
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
  auto transform = grid.transform;
  if (transform != std::array<double, 6>{} && GDALSetGeoTransform(tiff.get(), transform.data()) != CE_None) {
    fail(errors, "write a GeoTIFF's transform", path);
  }
  if (!grid.crs.empty()) {
    const SpatialReference reference = spatial_reference(grid.crs);
    if (!reference)
      throw FormatError("GDAL does not know the CRS " + grid.crs, {"write a GeoTIFF", path, ""});
    if (GDALSetSpatialRef(tiff.get(), reference.get()) != CE_None)
      fail(errors, "write a GeoTIFF's CRS", path);
  }
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
