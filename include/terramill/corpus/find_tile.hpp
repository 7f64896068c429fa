#pragma once

#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/tile.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace terramill::corpus {

/// The index row of a tile. UsageError, naming the nearest ids, where the corpus has none of that id.
std::uint64_t find_tile(const std::filesystem::path& corpus, const std::string& tile_id);

/// The record and all decoded values of an index row. UsageError for a row that the index lacks or a corpus
/// that is only an index; IoError, FormatError, IntegrityError from the shard.
Tile read_tile(const std::filesystem::path& corpus, const Manifest& manifest, std::uint64_t index_row);

}  // namespace terramill::corpus
