#include "gdal.hpp"

#include <terramill/core/error.hpp>
#include <terramill/geo/raster.hpp>

#include <atomic>
#include <mutex>

#include <cpl_conv.h>

namespace terramill::geo {

void init_gdal() {
  static std::once_flag once;
  std::call_once(once, [] {
    GDALAllRegister();
    // Tiles are read once: a small cache is enough, and 5 % of a big node's memory per rank is not.
    if (CPLGetConfigOption("GDAL_CACHEMAX", nullptr) == nullptr) GDALSetCacheMax64(GIntBig{64} << 20);
    // A folder of a million tiles must not be listed for each of them.
    if (CPLGetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", nullptr) == nullptr) {
      CPLSetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", "TRUE");
    }
  });
}

std::string gdal_version() { return std::string("GDAL ") + GDALVersionInfo("RELEASE_NAME"); }

ErrorCapture::ErrorCapture() {
  CPLPushErrorHandlerEx(&ErrorCapture::take, this);
  CPLErrorReset();
}

ErrorCapture::~ErrorCapture() { CPLPopErrorHandler(); }

void ErrorCapture::take(CPLErr severity, CPLErrorNum, const char* message) {
  auto* self = static_cast<ErrorCapture*>(CPLGetErrorHandlerUserData());
  if (severity == CE_Failure || severity == CE_Fatal) {
    self->failed_ = true;
    if (self->error_.empty()) self->error_ = message;
  } else if (severity == CE_Warning && self->warning_.empty()) {
    self->warning_ = message;
  }
}

std::string ErrorCapture::text(const std::string& otherwise) const {
  if (!error_.empty()) return error_;
  return warning_.empty() ? otherwise : warning_;
}

void DatasetCloser::operator()(void* dataset) const noexcept { GDALClose(dataset); }

SpatialReference spatial_reference(const std::string& crs) {
  if (crs.empty()) return nullptr;
  const ErrorCapture errors;
  SpatialReference reference(OSRNewSpatialReference(nullptr));
  if (!reference || OSRSetFromUserInput(reference.get(), crs.c_str()) != OGRERR_NONE) return nullptr;
  OSRSetAxisMappingStrategy(reference.get(), OAMS_TRADITIONAL_GIS_ORDER);
  return reference;
}

std::string crs_text(OGRSpatialReferenceH reference) {
  if (reference == nullptr) return "";
  const ErrorCapture errors;
  const char* authority = OSRGetAuthorityName(reference, nullptr);
  const char* code = OSRGetAuthorityCode(reference, nullptr);
  if (authority != nullptr && code != nullptr) return std::string(authority) + ":" + code;
  SpatialReference clone(OSRClone(reference));
  if (clone && OSRAutoIdentifyEPSG(clone.get()) == OGRERR_NONE) {
    code = OSRGetAuthorityCode(clone.get(), nullptr);
    if (code != nullptr) return std::string("EPSG:") + code;
  }
  char* wkt = nullptr;
  std::string text;
  if (OSRExportToWkt(reference, &wkt) == OGRERR_NONE) text = wkt;
  CPLFree(wkt);
  return text;
}

Dataset create_in_memory(int width, int height, int bands, GDALDataType type) {
  init_gdal();
  const ErrorCapture errors;
  Dataset dataset(GDALCreate(GDALGetDriverByName("MEM"), "", width, height, bands, type, nullptr));
  if (!dataset) {
    throw LibraryError(
        errors.text("GDAL gave no reason"),
        {"create a raster in memory", std::to_string(width) + "x" + std::to_string(height), ""});
  }
  return dataset;
}

std::string memory_name(const std::string& extension) {
  static std::atomic<std::uint64_t> next{0};
  return "/vsimem/terramill-" + std::to_string(next.fetch_add(1)) + extension;
}

}  // namespace terramill::geo
