#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/find_tile.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/shard_file.hpp>

#include <algorithm>
#include <vector>

namespace terramill::corpus {
namespace {

constexpr std::uint64_t kRowsAtOnce = 1 << 16;

/// Up to three of `ids`, nearest first.
std::string nearest_ids(const std::string& id, std::vector<std::string> ids) {
  std::string text;
  for (int i = 0; i < 3; ++i) {
    const auto found = nearest(id, ids);
    if (!found) break;
    text += (text.empty() ? "" : ", ") + *found;
    std::erase(ids, *found);
  }
  return text;
}

}  // namespace

std::uint64_t find_tile(const std::filesystem::path& corpus, const std::string& tile_id) {
  const IndexReader index(corpus / kIndexFile);
  std::vector<std::string> close;  // the nearest of each run of rows
  std::string first;
  for (std::uint64_t begin = 0; begin < index.rows(); begin += kRowsAtOnce) {
    const std::uint64_t count = std::min(kRowsAtOnce, index.rows() - begin);
    const IndexColumns columns = index.read(begin, count, kTileId);
    const auto found = std::ranges::find(columns.tile_id, tile_id);
    if (found != columns.tile_id.end())
      return begin + static_cast<std::uint64_t>(found - columns.tile_id.begin());
    if (begin == 0 && count > 0) first = columns.tile_id.front();
    std::vector<std::string> ids = columns.tile_id;
    for (int i = 0; i < 3; ++i) {
      const auto id = nearest(tile_id, ids);
      if (!id) break;
      close.push_back(*id);
      std::erase(ids, *id);
    }
  }
  const std::string meant = nearest_ids(tile_id, close);
  throw UsageError("the corpus has no tile \"" + tile_id + "\"",
                   {"find a tile", corpus.string(),
                    meant.empty() ? "ids look like \"" + first + "\"; --row N takes a row of the index"
                                  : "did you mean " + meant + "?"});
}

Tile read_tile(const std::filesystem::path& corpus, const Manifest& manifest, std::uint64_t index_row) {
  const IndexReader index(corpus / kIndexFile);
  const ErrorContext context{"read a tile", corpus.string(), ""};
  if (index_row >= index.rows()) {
    throw UsageError(
        "the index has " + std::to_string(index.rows()) + " rows, and no row " + std::to_string(index_row),
        context);
  }
  if (manifest.index_only) throw UsageError("the corpus is only an index: its tiles have no values", context);
  Tile tile;
  tile.record = index.read_records(index_row, 1).front();
  ShardReader shard(corpus, tile.record.shard, manifest.schema, manifest.codec);
  for (std::size_t m = 0; m < manifest.schema.modalities.size(); ++m)
    tile.values.push_back(shard.read(tile.record.row, m));
  return tile;
}

}  // namespace terramill::corpus
