#pragma once

// The parts of an unfinished build: CORPUS/.build/shard-NNNNN.part; internal to the corpus room.

#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/corpus/tile.hpp>

#include <filesystem>
#include <optional>
#include <vector>

namespace terramill::corpus {

/// All that the assembly needs of a complete shard.
struct ShardPart {
  explicit ShardPart(const Schema& schema) : statistics(schema) {}
  ShardEntry entry;
  std::vector<TileRecord> records;
  std::vector<TileFault> faults;
  Statistics statistics;
};

/// What can be told of a part without reading all of it.
struct PartHead {
  ShardEntry entry;
  std::uint64_t faults = 0, id_width = 0, crs_width = 0;
};

std::filesystem::path part_path(const std::filesystem::path& corpus, std::uint64_t shard);
/// Writes a part durably. Written after the shard's files, it marks the shard complete.
void write_part(const std::filesystem::path& path, const ShardPart& part);
/// Nothing where there is no part; FormatError when it is none.
std::optional<PartHead> read_part_head(const std::filesystem::path& path);
/// Reads a part with its shard's number in the records; IntegrityError when it does not agree with its hash.
ShardPart read_part(const std::filesystem::path& path, const Schema& schema, std::uint64_t shard);

}  // namespace terramill::corpus
