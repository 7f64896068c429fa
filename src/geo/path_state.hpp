#pragma once

#include <filesystem>

namespace terramill::geo {

enum class PathState {
  kThere,    ///< the file system gives every byte, or says that this is no file at all, such as a folder
  kMissing,  ///< there is no such file
};

/// Looks at a file that GDAL could not read, by reading it from end to end past GDAL. IoError for whatever
/// the file system answers that says nothing of the file: EIO, ESTALE, too many open files, no permission.
PathState look_past_gdal(const std::filesystem::path& path);

}  // namespace terramill::geo
