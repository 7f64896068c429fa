#pragma once

#include <terramill/core/json.hpp>
#include <terramill/corpus/codec.hpp>
#include <terramill/corpus/schema.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

struct ShardEntry {
  std::uint64_t tiles = 0;
  std::uint64_t bytes = 0;     ///< of the .h5 file
  std::uint64_t xxh3 = 0;      ///< of the .h5 file
  std::uint64_t idx_xxh3 = 0;  ///< of the .idx file
  std::uint64_t content = 0;   ///< of the decoded values and records: independent of codec and library
};

/// manifest.json: what the corpus is. Written last; a folder without it is an unfinished build.
struct Manifest {
  int format_version = 1;
  Schema schema;
  Codec codec = Codec::kDeflate;
  int level = 6;
  std::string codec_library;
  bool reference = false;   ///< built with --compat reference
  bool index_only = false;  ///< no shards: an index for sampling at scale
  bool synthetic = false;   ///< values or index come from the invented world
  Json source;              ///< Source::describe()
  Json options;  ///< the agreed options of the build, name to text; null when not built by `corpus build`
  std::vector<std::string> label_names;
  std::uint64_t shard_tiles = 0;  ///< candidates per shard
  std::vector<ShardEntry> shards;
  std::uint64_t tiles = 0, quarantined = 0;
  std::uint64_t index_xxh3 = 0, statistics_xxh3 = 0, quarantine_xxh3 = 0;
  std::uint64_t content = 0;  ///< the shards' content hashes, hashed in order
};

/// IoError when `corpus` has no manifest (saying what an unfinished build looks like), FormatError for a bad
/// one, IntegrityError for one that does not agree with the hash in its last line.
Manifest read_manifest(const std::filesystem::path& corpus);
/// The file's text. Its last member, "xxh3", is the hash of the text with that member's digits all "0".
std::string to_text(const Manifest& manifest);

/// Names of the files inside a corpus.
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kIndexFile = "index.h5";
inline constexpr const char* kStatisticsFile = "band_stats.json";
inline constexpr const char* kQuarantineFile = "quarantine.jsonl";

/// "shards/shard-00012.h5" and its ".idx".
std::filesystem::path shard_path(const std::filesystem::path& corpus, std::uint64_t shard);
std::filesystem::path shard_index_path(const std::filesystem::path& corpus, std::uint64_t shard);

}  // namespace terramill::corpus
