#include "build_folder.hpp"

#include "part.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

void make_directories(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code || !fs::is_directory(path)) {
    throw IoError("cannot create the folder " + path.string(), code ? code.value() : ENOTDIR,
                  {"build a corpus", path.string(), "check --output and its permissions"});
  }
}

/// Compares the options of what is in the folder with those given now, naming each that differs.
void demand_same_options(const Json& there, const Json& now, const fs::path& corpus,
                         const std::string& what) {
  std::string differences;
  for (const auto& [name, value] : now.items()) {
    // Earlier releases do not name it.
    if (name == "input files" && !there.contains(name)) continue;
    const std::string was = there.is_object() && there.contains(name) ? there.at(name).dump() : "unknown";
    if (was != value.dump()) {
      differences +=
          (differences.empty() ? "" : "; ") + name + ": " + was + " there, " + value.dump() + " now";
    }
  }
  if (differences.empty()) return;
  throw UsageError(corpus.string() + " holds " + what + " with other options: " + differences,
                   {"build a corpus", corpus.string(), "give the same options, or another --output"});
}

void remove_leftovers(const fs::path& directory) {
  const Activity activity("remove leftovers", directory);
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') && name.ends_with(".tmp")) fs::remove(entry.path());
    beat();
  }
}

/// A complete corpus must at least have its files in their sizes; `corpus verify` looks inside.
void check_quickly(const fs::path& corpus, const Manifest& manifest) {
  const auto demand = [&](const fs::path& path, std::optional<std::uint64_t> bytes) {
    const bool good = fs::is_regular_file(path) && (!bytes || fs::file_size(path) == *bytes);
    if (good) return;
    throw IntegrityError(path.string() + " is missing or has not its size, though the corpus was complete",
                         {"check a complete corpus", path.string(), "see `terramill corpus verify`"});
  };
  const Activity activity("look for the files", corpus);
  for (const char* name : {kIndexFile, kStatisticsFile, kQuarantineFile}) demand(corpus / name, std::nullopt);
  for (std::uint64_t shard = 0; shard < manifest.shards.size(); ++shard) {
    demand(shard_path(corpus, shard), manifest.shards[shard].bytes);
    demand(shard_index_path(corpus, shard), std::nullopt);
    beat();
  }
}

std::optional<Manifest> find_finished(const fs::path& corpus, const Json& options) {
  if (!fs::exists(corpus / kManifestFile)) return std::nullopt;
  Manifest manifest = read_manifest(corpus);
  demand_same_options(manifest.options, options, corpus, "a complete corpus");
  check_quickly(corpus, manifest);
  return manifest;
}

}  // namespace

BuildFolder::BuildFolder(fs::path corpus, const Json& options) : corpus_(std::move(corpus)) {
  const fs::path parts = corpus_ / ".build";
  finished_ = find_finished(corpus_, options);
  if (finished_ && !fs::exists(parts)) return;
  if (fs::is_directory(corpus_) && !fs::is_empty(corpus_) && !fs::exists(parts)) {
    throw UsageError(corpus_.string() + " is not empty and holds no corpus",
                     {"build a corpus", corpus_.string(), "name a new or empty folder as --output"});
  }
  make_directories(parts);
  lock_.emplace(parts, "corpus build");
  // Another process may have completed the corpus before the lock was free.
  finished_ = find_finished(corpus_, options);
  if (finished_) {
    remove_parts();
    return;
  }
  make_directories(corpus_ / "shards");
  for (const fs::path& directory : {corpus_, parts, corpus_ / "shards"}) remove_leftovers(directory);
  const fs::path agreed = parts / "build.json";
  Json there;
  if (fs::exists(agreed)) {
    there = read_json(agreed);
    demand_same_options(there, options, corpus_, "an unfinished build");
  }
  if (there != options) write_file_durably(agreed, dump_json(options, 1) + "\n");
}

std::vector<std::uint64_t> BuildFolder::missing(std::uint64_t shards) const {
  const Activity activity("look for complete shards", corpus_);
  std::vector<std::uint64_t> list;
  for (std::uint64_t shard = 0; shard < shards; ++shard) {
    const auto head = read_part_head(part_path(corpus_, shard));
    const fs::path file = shard_path(corpus_, shard);
    const bool complete = head && fs::exists(file) && fs::file_size(file) == head->entry.bytes &&
                          fs::exists(shard_index_path(corpus_, shard));
    if (!complete) list.push_back(shard);
    beat();
  }
  return list;
}

std::uint64_t BuildFolder::parts() const {
  const fs::path parts = corpus_ / ".build";
  const Activity activity("list", parts);
  std::uint64_t count = 0;
  for (const auto& entry : fs::directory_iterator(parts)) {
    count += entry.path().extension() == ".part" ? 1 : 0;
  }
  return count;
}

void BuildFolder::remove_parts() {
  const fs::path parts = corpus_ / ".build";
  {
    const Activity activity("remove", parts);
    for (const auto& entry : fs::directory_iterator(parts)) {
      fs::remove_all(entry.path());
      beat();
    }
    fs::remove(parts);
  }
  sync_directory(corpus_);
}

}  // namespace terramill::corpus
