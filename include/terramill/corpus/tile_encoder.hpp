#pragma once

#include <terramill/corpus/codec.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/corpus/tile.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace terramill::corpus {

/// Hash of all that a tile is, whatever codec or shard holds it: its record but for `shard` and `row`, then
/// the decoded values of every modality in the order of the schema.
std::uint64_t content_of(const Tile& tile);

/// A tile as a shard stores it.
struct EncodedTile {
  TileRecord record;
  std::vector<std::vector<std::byte>>
      stored;                       ///< per modality: the chunk as written, image-level ones as they are
  std::vector<std::uint64_t> xxh3;  ///< of the stored bytes
  std::uint64_t content = 0;
  TileMoments moments;
};

/// Encodes tiles. Holds scratch memory: one per thread.
class TileEncoder {
 public:
  TileEncoder(std::shared_ptr<const Schema> schema, Codec codec, int level);
  /// Error when the tile's values have not the sizes of the schema.
  EncodedTile encode(const Tile& tile);

 private:
  std::shared_ptr<const Schema> schema_;
  ChunkEncoder encoder_;
};

}  // namespace terramill::corpus
