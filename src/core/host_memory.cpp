#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/host_memory.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>

namespace terramill {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kKibi = 1024, kMebi = kKibi * kKibi;

std::optional<std::int64_t> number_in(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

/// The number after `key` in a file of such pairs.
std::optional<std::int64_t> value_of(const fs::path& file, const std::string& key) {
  std::error_code missing;
  if (!fs::exists(file, missing)) return std::nullopt;
  std::istringstream words(read_text(file));
  for (std::string word; words >> word;) {
    std::int64_t value = 0;
    if (word == key && words >> value) return value;
  }
  return std::nullopt;
}

/// The value of `key` in a file of "key: number kB" lines, in bytes.
std::int64_t proc_value(const fs::path& file, const std::string& key) {
  const auto kibibytes = value_of(file, key);
  if (!kibibytes) throw FormatError("there is no " + key, {"ask for the memory", file.string(), ""});
  return *kibibytes * kKibi;
}

/// The number in `file`; none where it is missing or says "max".
std::optional<std::int64_t> limit_in(const fs::path& file) {
  std::error_code missing;
  if (!fs::exists(file, missing)) return std::nullopt;
  return number_in(read_text(file));
}

/// Takes limits one by one and keeps the least.
struct Least {
  HostMemory memory;
  /// `used`: of the limit, by whatever counts against it.
  void limit(std::int64_t bytes, std::int64_t used, const std::string& by) {
    if (bytes < memory.limit) {
      memory.limit = bytes;
      memory.limited_by = by;
    }
    memory.available = std::min(memory.available, std::max<std::int64_t>(bytes - used, 0));
  }
};

/// The limits of a control group and of those above it. What `used` counts in memory.stat is taken already;
/// cached files are not, for they give way.
void take_groups(Least& least, const fs::path& mount, const std::string& group, const char* limit,
                 const char* used) {
  for (fs::path relative = fs::path(group).relative_path();; relative = relative.parent_path()) {
    const fs::path folder = relative.empty() ? mount : mount / relative;
    if (const auto bytes = limit_in(folder / limit)) {
      least.limit(*bytes, value_of(folder / "memory.stat", used).value_or(0), "the control group");
    }
    if (relative.empty()) return;
  }
}

std::optional<std::int64_t> number_of(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? std::nullopt : number_in(text);
}

}  // namespace

HostMemory host_memory(const fs::path& root) {
  const fs::path meminfo = root / "proc/meminfo", groups = root / "sys/fs/cgroup";
  Least least;
  least.memory = {proc_value(meminfo, "MemAvailable:"), proc_value(meminfo, "MemTotal:"), "MemTotal"};

  std::error_code missing;
  if (fs::exists(root / "proc/self/cgroup", missing)) {
    std::istringstream lines(read_text(root / "proc/self/cgroup"));
    for (std::string line; std::getline(lines, line);) {
      // number:controllers:path; version 2 has number 0 and no controller.
      const std::size_t first = line.find(':'), second = line.find(':', first + 1);
      if (second == std::string::npos) continue;
      const std::string controllers = line.substr(first + 1, second - first - 1),
                        path = line.substr(second + 1);
      if (controllers.empty()) take_groups(least, groups, path, "memory.max", "anon");
      if (("," + controllers + ",").find(",memory,") != std::string::npos) {
        take_groups(least, groups / "memory", path, "memory.limit_in_bytes", "total_rss");
      }
    }
  }
  if (const auto node = number_of("SLURM_MEM_PER_NODE"); node && *node > 0) {
    least.limit(*node * kMebi, 0, "SLURM_MEM_PER_NODE");
  }
  const auto of_cpu = number_of("SLURM_MEM_PER_CPU"), cpus = number_of("SLURM_CPUS_ON_NODE");
  if (of_cpu && cpus && *of_cpu > 0) least.limit(*of_cpu * *cpus * kMebi, 0, "SLURM_MEM_PER_CPU");
  return least.memory;
}

std::int64_t resident_bytes() { return proc_value("/proc/self/status", "VmRSS:"); }

std::string memory_text(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / kKibi;
  std::size_t unit = 0;
  for (; unit + 1 < std::size(kUnits) && value >= 1000; ++unit) value /= kKibi;
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, kUnits[unit]);
  return text;
}

}  // namespace terramill
