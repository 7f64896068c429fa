#include "verify_shard.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/shard_file.hpp>

#include <optional>

namespace terramill::corpus {
namespace {

class ShardVerifier {
 public:
  ShardVerifier(const std::filesystem::path& corpus, const Manifest& manifest, std::uint64_t shard,
                std::span<const TileRecord> records, Statistics& statistics)
      : corpus_(corpus),
        manifest_(manifest),
        entry_(manifest.shards[shard]),
        shard_(shard),
        records_(records),
        statistics_(statistics),
        file_(shard_path("", shard).string()),
        index_file_(shard_index_path("", shard).string()) {}

  ShardFindings run() {
    if (!std::filesystem::exists(corpus_ / file_) || !std::filesystem::exists(corpus_ / index_file_))
      return findings_;
    bool whole = false;
    guard(file_, "", "", [&] { whole = check_file(); });
    guard(index_file_, "", "", [&] { check_index_file(); });
    guard(index_file_, "", "", [&] { check_tiles(); });
    // HDF5 is not safe to run on damaged files.
    if (whole) guard(file_, "", "metadata", [&] { check_metadata(); });
    return std::move(findings_);
  }

 private:
  void report(const std::string& file, const std::string& tile, const std::string& modality,
              std::string problem) {
    findings_.faults.push_back({file, tile, modality, std::move(problem)});
  }

  /// Runs a check; what it throws is what it found.
  template <typename F>
  bool guard(const std::string& file, const std::string& tile, const std::string& modality, F check) {
    try {
      check();
      return true;
    } catch (const Error& error) {
      report(file, tile, modality, error.message());
    }
    return false;
  }

  bool check_file() {
    const std::uint64_t bytes = std::filesystem::file_size(corpus_ / file_);
    findings_.bytes += bytes;
    if (bytes != entry_.bytes) {
      report(file_, "", "",
             "it has " + std::to_string(bytes) + " bytes, the manifest says " + std::to_string(entry_.bytes));
      return false;
    }
    return check_hash(file_, entry_.xxh3);
  }

  void check_index_file() {
    findings_.bytes += std::filesystem::file_size(corpus_ / index_file_);
    check_hash(index_file_, entry_.idx_xxh3);
  }

  bool check_hash(const std::string& file, std::uint64_t expected) {
    const std::uint64_t hash = xxh3_file(corpus_ / file);
    if (hash == expected) return true;
    report(file, "", "", "its xxh3 is " + to_hex(hash) + ", the manifest says " + to_hex(expected));
    return false;
  }

  void check_tiles() {
    ShardReader reader(corpus_, shard_, manifest_.schema, manifest_.codec);
    if (reader.index().tiles() != entry_.tiles) {
      report(index_file_, "", "",
             "it has " + std::to_string(reader.index().tiles()) + " tiles, the manifest says " +
                 std::to_string(entry_.tiles));
      return;
    }
    Xxh3 content;
    bool complete = !records_.empty() || entry_.tiles == 0;
    for (std::uint64_t row = 0; row < entry_.tiles; ++row) {
      const auto tile = read_tile(reader, row);
      if (tile) content.update_u64(content_of(*tile));
      if (tile && !manifest_.reference) statistics_.add(*tile);
      complete = complete && tile;
    }
    if (complete && content.digest() != entry_.content) {
      report(file_, "", "",
             "the hash of its tiles and their rows of the index is " + to_hex(content.digest()) +
                 ", the manifest says " + to_hex(entry_.content));
    }
  }

  std::optional<Tile> read_tile(ShardReader& reader, std::uint64_t row) {
    Tile tile;
    bool good = true;
    if (!records_.empty()) tile.record = records_[row];
    const std::string name = records_.empty() ? "row " + std::to_string(row) : tile.record.tile_id;
    for (std::size_t m = 0; m < manifest_.schema.modalities.size(); ++m) {
      ++findings_.chunks;
      tile.values.emplace_back();
      good &= guard(file_, name, manifest_.schema.modalities[m].name,
                    [&] { tile.values[m] = reader.read(row, m); });
    }
    if (!good) return std::nullopt;
    return tile;
  }

  void check_metadata() {
    const auto metadata = read_metadata(corpus_ / file_);
    if (metadata.size() != entry_.tiles) {
      report(file_, "", "metadata",
             "it has " + std::to_string(metadata.size()) + " rows, the manifest says " +
                 std::to_string(entry_.tiles));
      return;
    }
    for (std::uint64_t row = 0; row < records_.size(); ++row) {
      const TileRecord& record = records_[row];
      const ShardMetadata expected{record.tile_id, std::string(name_of(record.s2_type))};
      if (record.shard != shard_ || record.row != row) {
        report(kIndexFile, record.tile_id, "",
               "the index has it in shard " + std::to_string(record.shard) + ", row " +
                   std::to_string(record.row) + ", but it stands where shard " + std::to_string(shard_) +
                   ", row " + std::to_string(row) + " belongs");
      }
      if (metadata[row] != expected) {
        report(file_, record.tile_id, "metadata",
               "row " + std::to_string(row) + " says tile \"" + metadata[row].tile_id + "\" of type \"" +
                   metadata[row].s2_type + "\", the index \"" + expected.tile_id + "\" of type \"" +
                   expected.s2_type + "\"");
      }
    }
  }

  const std::filesystem::path& corpus_;
  const Manifest& manifest_;
  const ShardEntry& entry_;
  std::uint64_t shard_;
  std::span<const TileRecord> records_;
  Statistics& statistics_;
  std::string file_, index_file_;
  ShardFindings findings_;
};

}  // namespace

ShardFindings verify_shard(const std::filesystem::path& corpus, const Manifest& manifest, std::uint64_t shard,
                           std::span<const TileRecord> records, Statistics& statistics) {
  return ShardVerifier(corpus, manifest, shard, records, statistics).run();
}

}  // namespace terramill::corpus
