#include "gdal_output.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <span>
#include <system_error>

#include <cpl_vsi.h>

namespace terramill::geo {

MemoryFile::~MemoryFile() { VSIUnlink(name_.c_str()); }

void MemoryFile::store(const std::filesystem::path& path) const {
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

void fail(const ErrorCapture& errors, const char* attempted, const std::filesystem::path& path) {
  throw LibraryError(errors.text("GDAL gave no reason"), {attempted, path, ""});
}

std::size_t bands_of(const Grid& grid, std::size_t values, const std::vector<std::string>& names,
                     const char* attempted, const std::filesystem::path& path) {
  const std::size_t pixels = static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height);
  const std::size_t bands = pixels == 0 ? 0 : values / pixels;
  if (bands == 0 || values != bands * pixels || (!names.empty() && names.size() != bands)) {
    throw Error("the grid and the band names do not fit the values", {attempted, path, ""});
  }
  return bands;
}

void set_grid(GDALDatasetH dataset, const Grid& grid, const ErrorCapture& errors,
              const std::filesystem::path& path) {
  auto transform = grid.transform;
  if (transform != std::array<double, 6>{} && GDALSetGeoTransform(dataset, transform.data()) != CE_None) {
    fail(errors, "write a GeoTIFF's transform", path);
  }
  if (grid.crs.empty()) return;
  const SpatialReference reference = spatial_reference(grid.crs);
  if (!reference) throw FormatError("GDAL does not know the CRS " + grid.crs, {"write a GeoTIFF", path, ""});
  if (GDALSetSpatialRef(dataset, reference.get()) != CE_None) fail(errors, "write a GeoTIFF's CRS", path);
}

}  // namespace terramill::geo
