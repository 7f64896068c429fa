#include "path_state.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/damage.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <cerrno>
#include <cstddef>
#include <vector>

#include <unistd.h>

namespace terramill::geo {
namespace {

constexpr const char* kAdvice =
    "see the system log; where this file alone is lost, put another in its place (docs/user-guide.md, "
    "Quarantine)";

/// Until the end that read() tells: the size in the folder's entry may be out of date.
void read_whole(const FileDescriptor& file) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  const Activity activity("read", file.path());
  std::vector<std::byte> block(kBlock);
  for (;;) {
    const ssize_t count = ::read(file.get(), block.data(), block.size());
    if (count == 0) return;
    if (count < 0 && errno != EINTR) {
      const int number = errno;
      throw IoError("cannot read " + file.path().string(), number,
                    {"read a raster", file.path().string(), tells_damage(number) ? kAdvice : ""});
    }
    beat();
  }
}

}  // namespace

PathState look_past_gdal(const std::filesystem::path& path) {
  try {
    read_whole(FileDescriptor::open_read(path));
  } catch (const IoError& error) {
    switch (error.error_number()) {
      case ENOENT:
      case ENOTDIR:
      case ENAMETOOLONG:
        return PathState::kMissing;
      case EISDIR:
      case ELOOP:
        return PathState::kThere;
      default:
        throw;
    }
  }
  return PathState::kThere;
}

}  // namespace terramill::geo
