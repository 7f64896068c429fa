#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include <cpl_error.h>
#include <gdal.h>
#include <ogr_srs_api.h>

namespace terramill::geo {

/// Takes GDAL's error messages of this thread while it lives, instead of letting them go to standard error.
class ErrorCapture {
 public:
  ErrorCapture();
  ~ErrorCapture();
  ErrorCapture(const ErrorCapture&) = delete;
  ErrorCapture& operator=(const ErrorCapture&) = delete;

  /// An error (not only a warning) was reported.
  bool failed() const noexcept { return failed_; }
  /// The first error, else the first warning, else `otherwise`.
  std::string text(const std::string& otherwise) const;

 private:
  static void CPL_STDCALL take(CPLErr severity, CPLErrorNum number, const char* message);
  std::string error_, warning_;
  bool failed_ = false;
};

struct DatasetCloser {
  void operator()(void* dataset) const noexcept;
};
using Dataset = std::unique_ptr<void, DatasetCloser>;

struct SpatialReferenceCloser {
  void operator()(void* reference) const noexcept { OSRDestroySpatialReference(reference); }
};
using SpatialReference = std::unique_ptr<void, SpatialReferenceCloser>;

/// The CRS of a text as Grid::crs holds it, with x = longitude or easting; null when it is empty or unknown.
SpatialReference spatial_reference(const std::string& crs);
/// The text for a CRS: "EPSG:n", or WKT.
std::string crs_text(OGRSpatialReferenceH reference);

/// An empty in-memory raster; LibraryError when memory is short.
Dataset create_in_memory(int width, int height, int bands, GDALDataType type);

/// A name in GDAL's memory file system that no other call of this process has.
std::string memory_name(const std::string& extension);

template <typename T>
constexpr GDALDataType gdal_type() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return GDT_Byte;
#if GDAL_VERSION_NUM >= 3070000
  if constexpr (std::is_same_v<T, std::int8_t>) return GDT_Int8;
#else
  if constexpr (std::is_same_v<T, std::int8_t>) return GDT_Byte;  // with PIXELTYPE=SIGNEDBYTE
#endif
  if constexpr (std::is_same_v<T, std::uint16_t>) return GDT_UInt16;
  if constexpr (std::is_same_v<T, std::int16_t>) return GDT_Int16;
  if constexpr (std::is_same_v<T, std::int32_t>) return GDT_Int32;
  if constexpr (std::is_same_v<T, float>) return GDT_Float32;
  if constexpr (std::is_same_v<T, double>) return GDT_Float64;
}

}  // namespace terramill::geo
