#include "tile_record.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/tile_encoder.hpp>

namespace terramill::corpus {

std::uint64_t content_of(const Tile& tile) {
  ByteWriter record;
  put_record(record, tile.record);
  Xxh3 hash;
  hash.update(record.bytes());
  for (const std::vector<std::byte>& values : tile.values) hash.update(values);
  return hash.digest();
}

TileEncoder::TileEncoder(std::shared_ptr<const Schema> schema, Codec codec, int level)
    : schema_(std::move(schema)), encoder_(codec, level) {}

EncodedTile TileEncoder::encode(const Tile& tile) {
  const Schema& schema = *schema_;
  EncodedTile encoded;
  encoded.record = tile.record;
  for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
    const Modality& modality = schema.modalities[m];
    if (m >= tile.values.size() || tile.values[m].size() != schema.tile_bytes(modality)) {
      throw Error("the values of " + modality.name + " have not the size of the schema",
                  {"encode a tile", tile.record.tile_id, ""});
    }
    if (modality.pixel) {
      const auto stored = encoder_.encode(tile.values[m], size_of(modality.dtype));
      encoded.stored.emplace_back(stored.begin(), stored.end());
    } else {
      encoded.stored.push_back(tile.values[m]);
    }
    encoded.xxh3.push_back(xxh3(encoded.stored.back()));
  }
  encoded.content = content_of(tile);
  encoded.moments = measure(schema, tile);
  return encoded;
}

}  // namespace terramill::corpus
