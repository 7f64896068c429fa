#include "checkpoint_text.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>

#include <sys/stat.h>

namespace terramill::cli {

namespace fs = std::filesystem;

std::vector<fs::path> checkpoints_of(const fs::path& run) {
  if (!fs::exists(run / "checkpoints")) {
    throw UsageError("this is no run folder: it has no folder of checkpoints",
                     {"look for checkpoints", run.string(), "give the --output of a pretrain run"});
  }
  return checkpoint::list(run);
}

fs::path newest_of(const std::vector<fs::path>& checkpoints) {
  const auto has_index = [](const fs::path& checkpoint) {
    std::error_code unknown;
    return fs::exists(checkpoint / "index.json", unknown) || unknown;
  };
  const auto found = std::find_if(checkpoints.rbegin(), checkpoints.rend(), has_index);
  return found == checkpoints.rend() ? fs::path() : *found;
}

fs::path checkpoint_of(const fs::path& run, std::int64_t step) {
  const std::vector<fs::path> all = checkpoints_of(run);
  const auto found = step < 0 ? all.end() : std::ranges::find(all, step, checkpoint::step_named_by);
  if (found != all.end()) return *found;
  if (const fs::path newest = newest_of(all); step < 0 && !newest.empty()) return newest;
  throw UsageError(step < 0 ? "the run has no whole checkpoint" : "the run has no checkpoint of that step",
                   {"look for a checkpoint", run.string(), "checkpoint list tells which there are"});
}

std::string written_at(const fs::path& checkpoint) {
  const fs::path index = checkpoint / "index.json";
  struct stat status {};
  if (::stat(index.c_str(), &status) != 0)
    throw IoError("cannot stat", errno, {"describe a checkpoint", index.string(), ""});
  struct tm parts {};
  char text[32];
  if (gmtime_r(&status.st_mtime, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    return "";
  return text;
}

std::uint64_t bytes_of(const fs::path& checkpoint) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(checkpoint)) bytes += entry.file_size();
  return bytes;
}

std::string size_text(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

}  // namespace terramill::cli
