#pragma once

// What writing through GDAL needs; internal to the room.

#include "gdal.hpp"

#include <terramill/geo/grid.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <cpl_string.h>

namespace terramill::geo {

/// A file of GDAL's memory file system, removed at the end of scope.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& extension) : name_(memory_name(extension)) {}
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const char* name() const noexcept { return name_.c_str(); }

  /// Writes its bytes to `path`: what has its final name is whole.
  void store(const std::filesystem::path& path) const;

 private:
  std::string name_;
};

/// GDAL's NAME=VALUE lists.
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

/// Throws LibraryError with what GDAL said.
[[noreturn]] void fail(const ErrorCapture& errors, const char* attempted, const std::filesystem::path& path);

/// How many bands `values` values are on a grid; Error where they are none, no whole number, or not as many
/// as the names given.
std::size_t bands_of(const Grid& grid, std::size_t values, const std::vector<std::string>& names,
                     const char* attempted, const std::filesystem::path& path);

/// Gives a raster its transform and CRS, where they are known. FormatError for a CRS that GDAL does not know.
void set_grid(GDALDatasetH dataset, const Grid& grid, const ErrorCapture& errors,
              const std::filesystem::path& path);

}  // namespace terramill::geo
