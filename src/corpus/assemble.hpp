#pragma once

// Making a corpus of the parts of its shards; internal to the corpus room.

#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>

#include <map>
#include <optional>
#include <string>

namespace terramill::corpus {

/// A reason of quarantine.jsonl as it is counted: without the byte of tile_info at which it was found, and
/// with N for each number in GDAL's words.
std::string counted_reason(const std::string& reason);

/// What the assembly counted besides the manifest.
struct Assembly {
  std::map<std::string, std::uint64_t> reasons;
};

/// Reads the parts in shard order, one at a time, and writes index.h5, band_stats.json, quarantine.jsonl and,
/// last, the manifest, whose schema, source and options are given and whose other members are filled.
/// `statistics`: what band_stats.json holds instead of the parts' own.
Assembly assemble(const std::filesystem::path& corpus, std::uint64_t shards,
                  const std::optional<Json>& statistics, Manifest& manifest);

/// The text of band_stats.json.
std::string statistics_text(const Json& statistics);

}  // namespace terramill::corpus
