#pragma once

#include "support/scratch.hpp"

#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/corpus/tile_encoder.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace terramill::loader {

/// A corpus of invented tiles of 16 x 16 pixels (schema mmearth) in shards of six, in a folder of its own.
class SmallCorpus {
 public:
  static constexpr int kSize = 16;
  static constexpr std::uint64_t kShardTiles = 6;

  explicit SmallCorpus(std::uint64_t tiles, corpus::Codec codec = corpus::Codec::kDeflate)
      : schema_(std::make_shared<corpus::Schema>(corpus::mmearth_schema(kSize))) {
    std::filesystem::create_directory(scratch_ / "shards");
    corpus::Manifest manifest;
    manifest.schema = *schema_;
    manifest.codec = codec;
    manifest.level = 1;
    manifest.tiles = tiles;
    manifest.shard_tiles = kShardTiles;
    manifest.content = 7;
    corpus::TileEncoder encoder(schema_, codec, 1);
    corpus::Statistics statistics(*schema_);
    for (std::uint64_t first = 0; first < tiles; first += kShardTiles) {
      const std::uint64_t shard = manifest.shards.size();
      corpus::ShardWriter writer(corpus::shard_path(scratch_.path(), shard), schema_, codec, kShardTiles);
      for (std::uint64_t i = first; i < std::min(tiles, first + kShardTiles); ++i) {
        tiles_.push_back(invent(i));
        statistics.add(tiles_.back());
        writer.append(encoder.encode(tiles_.back()));
      }
      manifest.shards.push_back(writer.finish(corpus::shard_index_path(scratch_.path(), shard)));
    }
    std::vector<corpus::TileRecord> records;
    for (const auto& tile : tiles_) records.push_back(tile.record);
    corpus::IndexWriter index(scratch_ / corpus::kIndexFile, tiles, 16, 4);
    index.append(records);
    index.finish();
    write_file_durably(scratch_ / corpus::kStatisticsFile, dump_json(statistics.to_json()));
    write_file_durably(scratch_ / corpus::kManifestFile, corpus::to_text(manifest));
  }
  const std::filesystem::path& path() const { return scratch_.path(); }
  const corpus::Schema& schema() const { return *schema_; }
  const std::vector<corpus::Tile>& tiles() const { return tiles_; }

  sampling::PlanEntry entry(std::uint64_t i) const {
    const auto& record = tiles_.at(i).record;
    return {xxh3(record.tile_id), record.shard, record.row};
  }
  std::vector<sampling::PlanEntry> entries(std::uint64_t begin, std::uint64_t end) const {
    std::vector<sampling::PlanEntry> list;
    for (std::uint64_t i = begin; i < end; ++i) list.push_back(entry(i));
    return list;
  }

  /// A stored value of a tile.
  template <typename T>
  T value(std::uint64_t tile, const std::string& modality, std::size_t element) const {
    T value;
    const auto& bytes = tiles_.at(tile).values.at(static_cast<std::size_t>(schema_->index_of(modality)));
    std::memcpy(&value, bytes.data() + element * sizeof(T), sizeof(T));
    return value;
  }

  /// Flips one bit in the stored bytes of a tile's modality.
  void flip(std::uint64_t tile, const std::string& modality) const {
    const auto& record = tiles_.at(tile).record;
    const auto chunks = corpus::ShardIndex::read(corpus::shard_index_path(scratch_.path(), record.shard));
    const auto at = chunks.at(record.row, static_cast<std::uint32_t>(schema_->index_of(modality)));
    const auto path = corpus::shard_path(scratch_.path(), record.shard);
    auto bytes = read_bytes(path);
    bytes.at(at.offset + at.size / 2) ^= std::byte{4};
    auto file = FileDescriptor::create(path);
    file.write(bytes);
    file.close();
  }

 private:
  /// Tile i: random values; Sentinel-2 no-data in its first pixel, L1C for odd i, no Sentinel-1 for i = 2
  /// mod 4.
  corpus::Tile invent(std::uint64_t i) const {
    corpus::Tile tile;
    tile.record.tile_id = "tile-" + std::to_string(i);
    tile.record.s2_type = i % 2 == 1 ? corpus::S2Type::kL1C : corpus::S2Type::kL2A;
    tile.record.shard = static_cast<std::uint32_t>(i / kShardTiles);
    tile.record.row = static_cast<std::uint32_t>(i % kShardTiles);
    PhiloxStream stream(3, Purpose::kTest, i);
    for (std::size_t m = 0; m < schema_->modalities.size(); ++m) {
      const auto& modality = schema_->modalities[m];
      auto& bytes = tile.values.emplace_back(schema_->tile_bytes(modality));
      const std::size_t count = schema_->elements(modality);
      const bool absent = modality.name == "sentinel1" && i % 4 == 2;
      if (!absent) tile.record.present |= 1u << m;
      if (modality.dtype == corpus::DType::kFloat32) {
        for (std::size_t k = 0; k < count; ++k) {
          const auto value =
              absent ? static_cast<float>(*modality.no_data) : static_cast<float>(stream.normal());
          std::memcpy(bytes.data() + 4 * k, &value, 4);
        }
      } else if (modality.kind == corpus::Kind::kOneHot) {
        const std::size_t one = stream.below(count);
        bytes[one * size_of(modality.dtype)] = std::byte{1};
      } else {
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(stream.below(100));
      }
    }
    auto& sentinel2 = tile.values.front();
    for (std::size_t band = 0; band < 13; ++band) {
      std::memset(sentinel2.data() + band * kSize * kSize * 2, 0, 2);
    }
    return tile;
  }

  std::shared_ptr<const corpus::Schema> schema_;
  testing::Scratch scratch_;
  std::vector<corpus::Tile> tiles_;
};

}  // namespace terramill::loader
