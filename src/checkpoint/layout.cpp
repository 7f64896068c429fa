#include "layout.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>

#include <cstdio>
#include <system_error>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTemporarySuffix = ".tmp", kReplacedSuffix = ".old";
constexpr const char* kHashKey = "xxh3";

std::string padded(const char* format, long long number) {
  char text[64];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

std::string no_hash() { return to_hex(0); }

}  // namespace

fs::path folder_of(const fs::path& run) { return run / "checkpoints"; }

std::string step_name(std::int64_t step) { return padded("step-%08lld", step); }

std::int64_t step_of(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix)) return -1;
  const std::string digits = name.substr(kPrefix.size());
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoll(digits);
}

std::string rank_file_name(int rank) { return padded("rank-%05lld.safetensors", rank); }

std::string temporary_name_of(const std::string& name) { return "." + name + std::string(kTemporarySuffix); }

std::string replaced_name_of(const std::string& name) { return "." + name + std::string(kReplacedSuffix); }

void recover(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code absent;
  fs::remove(temporary_name(folder / kLatestName), absent);
  for (fs::directory_iterator entry(folder, absent), end; !absent && entry != end; entry.increment(absent)) {
    std::error_code unknown;
    if (entry->is_directory(unknown) && entry->path().filename().string().starts_with(".step-"))
      found.push_back(entry->path());
  }
  for (const fs::path& path : found) {
    const std::string name = path.filename().string();
    const fs::path meant = folder / fs::path(name).stem().string().substr(1);
    std::error_code fault;
    const bool has_new = fs::exists(meant, fault);
    if (fault) {
      // Nobody knows which of the two counts: the next one to look may.
    } else if (name.ends_with(kReplacedSuffix) && !has_new) {
      fs::rename(path, meant, fault);
    } else if (name.ends_with(kReplacedSuffix) || name.ends_with(kTemporarySuffix)) {
      fs::remove_all(path, fault);
    }
    if (fault) log::warn("cannot tidy up {}: {}", path.string(), fault.message());
  }
}

std::string seal(Json content) {
  content[kHashKey] = no_hash();
  std::string text = dump_json(content, 1) + "\n";
  const std::string hash = to_hex(xxh3(text));
  text.replace(text.rfind(no_hash()), hash.size(), hash);
  return text;
}

Json unseal(const std::string& text, const std::string& origin) {
  Json content = parse_json(text, origin);
  const auto hash = json_get<std::string>(content, kHashKey, origin);
  std::string bare = text;
  const std::size_t at = bare.rfind(hash);
  if (at != std::string::npos) bare.replace(at, hash.size(), no_hash());
  if (hash != to_hex(xxh3(bare))) {
    throw IntegrityError("the bytes disagree with the hash among them",
                         {"read a checkpoint's index", origin, ""});
  }
  content.erase(kHashKey);
  return content;
}

}  // namespace terramill::checkpoint
