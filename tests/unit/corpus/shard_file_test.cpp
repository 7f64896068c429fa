#include "invented_tile.hpp"
#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/corpus/shard_file.hpp>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

struct ShardFile : ::testing::TestWithParam<Codec> {
  ShardEntry write(std::uint64_t shard, std::uint64_t tiles, std::uint64_t capacity) {
    std::filesystem::create_directories(scratch / "shards");
    ShardWriter writer(shard_path(scratch.path(), shard), schema, GetParam(), capacity);
    TileEncoder encoder(schema, GetParam(), 6);
    for (std::uint64_t i = 0; i < tiles; ++i) writer.append(encoder.encode(invented_tile(*schema, 9, i)));
    return writer.finish(shard_index_path(scratch.path(), shard));
  }

  testing::Scratch scratch;
  std::shared_ptr<const Schema> schema = std::make_shared<const Schema>(mmearth_schema(16));
};

TEST_P(ShardFile, TilesComeBackByTheIndexAndByHdf5) {
  const ShardEntry entry = write(0, 70, 80);
  EXPECT_EQ(entry.tiles, 70u);
  ShardReader reader(scratch.path(), 0, *schema, GetParam());
  const auto metadata = read_metadata(shard_path(scratch.path(), 0));
  ASSERT_EQ(metadata.size(), 70u);
  for (std::uint64_t row = 0; row < 70; ++row) {
    const Tile tile = invented_tile(*schema, 9, row);
    for (std::size_t m = 0; m < schema->modalities.size(); ++m)
      EXPECT_EQ(reader.read(row, m), tile.values[m]);
    EXPECT_EQ(metadata[row], (ShardMetadata{tile.record.tile_id, row % 2 == 0 ? "l2a" : "l1c"}));
  }
  if (GetParam() == Codec::kZstd) return;  // this HDF5 has no zstd filter
  const h5::Handle file = h5::open_file(shard_path(scratch.path(), 0));
  EXPECT_EQ(h5::shape_of(file, "sentinel2"), (std::vector<hsize_t>{70, 13, 16, 16}));
  const auto values = h5::read_rows<std::uint16_t>(file, "sentinel2", 69, 1);
  EXPECT_EQ(std::memcmp(values.data(), invented_tile(*schema, 9, 69).values[0].data(), 2 * values.size()), 0);
}

TEST_P(ShardFile, BytesRepeatAndContentIgnoresTheCodec) {
  const ShardEntry first = write(0, 20, 20), second = write(1, 20, 20);
  EXPECT_EQ(first.xxh3, second.xxh3);
  EXPECT_EQ(first.idx_xxh3, second.idx_xxh3);
  Xxh3 content;
  for (std::uint64_t i = 0; i < 20; ++i) content.update_u64(content_of(invented_tile(*schema, 9, i)));
  EXPECT_EQ(first.content, content.digest());
}

TEST_P(ShardFile, AShardOfNoTilesIsAShard) {
  EXPECT_EQ(write(0, 0, 8).tiles, 0u);
  EXPECT_EQ(ShardReader(scratch.path(), 0, *schema, GetParam()).index().tiles(), 0u);
  EXPECT_TRUE(read_metadata(shard_path(scratch.path(), 0)).empty());
}

TEST_P(ShardFile, DamagedChunksAreNamed) {
  write(0, 4, 4);
  const auto path = shard_path(scratch.path(), 0);
  const ChunkLocation where = ShardReader(scratch.path(), 0, *schema, GetParam()).index().at(2, 4);
  std::string bytes = read_text(path);
  bytes[where.offset + where.size / 2] ^= 1;
  write_file_durably(path, bytes);
  ShardReader reader(scratch.path(), 0, *schema, GetParam());
  EXPECT_NO_THROW(reader.read(2, 3));
  EXPECT_TRUE(
      testing::contains(testing::text_of<IntegrityError>([&] { reader.read(2, 4); }), "sentinel1 of row 2"));
}

TEST_P(ShardFile, TooManyTilesAndLongNamesAreRefused) {
  ShardWriter writer(scratch / "a.h5", schema, GetParam(), 1);
  TileEncoder encoder(schema, GetParam(), 6);
  Tile tile = invented_tile(*schema, 9, 0);
  tile.record.tile_id = std::string(101, 'x');
  EXPECT_THROW(writer.append(encoder.encode(tile)), Error);
  writer.append(encoder.encode(invented_tile(*schema, 9, 0)));
  EXPECT_THROW(writer.append(encoder.encode(invented_tile(*schema, 9, 1))), Error);
  tile.values[0].pop_back();
  EXPECT_THROW(encoder.encode(tile), Error);
}

INSTANTIATE_TEST_SUITE_P(Codecs, ShardFile, ::testing::Values(Codec::kDeflate, Codec::kZstd, Codec::kNone),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace terramill::corpus
