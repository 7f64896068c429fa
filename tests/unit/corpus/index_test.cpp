#include "invented_tile.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

std::vector<TileRecord> invented_records(std::size_t count) {
  const Schema schema = mmearth_schema(8);
  std::vector<TileRecord> records;
  for (std::size_t i = 0; i < count; ++i) {
    TileRecord& record = records.emplace_back(invented_tile(schema, 8, i).record);
    record.label = static_cast<std::int32_t>(i) - 1;
    record.label_bits = std::uint64_t{1} << i % 64;
    record.shard = static_cast<std::uint32_t>(i / 10);
    record.row = static_cast<std::uint32_t>(i % 10);
  }
  return records;
}

void write(const std::filesystem::path& path, const std::vector<TileRecord>& records, std::size_t piece) {
  IndexWriter writer(path, records.size(), 7, 10);
  for (std::size_t begin = 0; begin < records.size(); begin += piece) {
    writer.append(std::span(records).subspan(begin, std::min(piece, records.size() - begin)));
  }
  writer.finish();
}

TEST(Index, RecordsComeBackFromAnyRun) {
  const testing::Scratch scratch;
  const auto records = invented_records(45);
  write(scratch / "index.h5", records, 7);
  const IndexReader reader(scratch / "index.h5");
  ASSERT_EQ(reader.rows(), 45u);
  EXPECT_EQ(reader.read_records(0, 45), records);
  const auto middle = reader.read_records(13, 5);
  EXPECT_TRUE(std::equal(middle.begin(), middle.end(), records.begin() + 13));
  EXPECT_TRUE(reader.read_records(45, 0).empty());
}

TEST(Index, BytesDoNotDependOnThePieces) {
  const testing::Scratch scratch;
  const auto records = invented_records(45);
  write(scratch / "a.h5", records, 45);
  write(scratch / "b.h5", records, 4);
  EXPECT_EQ(xxh3_file(scratch / "a.h5"), xxh3_file(scratch / "b.h5"));
}

TEST(Index, OnlySelectedColumnsAreRead) {
  const testing::Scratch scratch;
  const auto records = invented_records(12);
  write(scratch / "index.h5", records, 12);
  const IndexColumns columns = IndexReader(scratch / "index.h5").read(3, 4, kLandCover | kTileId);
  EXPECT_EQ(columns.land_cover.size(), 4u * kLandCoverClasses);
  EXPECT_EQ(columns.tile_key.at(1), xxh3(records[4].tile_id));
  EXPECT_TRUE(columns.lon.empty());
}

TEST(Index, AnEmptyCorpusHasAnIndex) {
  const testing::Scratch scratch;
  write(scratch / "index.h5", {}, 1);
  EXPECT_EQ(IndexReader(scratch / "index.h5").rows(), 0u);
}

TEST(Index, RowsMissingOrTooManyAreRefused) {
  const testing::Scratch scratch;
  const auto records = invented_records(3);
  IndexWriter few(scratch / "a.h5", 4, 7, 10);
  few.append(records);
  EXPECT_THROW(few.finish(), Error);
  IndexWriter many(scratch / "b.h5", 2, 7, 10);
  EXPECT_THROW(many.append(records), Error);
  IndexWriter narrow(scratch / "c.h5", 3, 2, 10);
  EXPECT_THROW(narrow.append(records), FormatError);
}

TEST(Index, OtherFilesAreRefused) {
  const testing::Scratch scratch;
  write_file_durably(scratch / "text", "no index");
  EXPECT_THROW(IndexReader(scratch / "text"), FormatError);
  EXPECT_THROW(IndexReader(scratch / "none"), IoError);
  h5::create_file(scratch / "empty.h5").reset();
  EXPECT_THROW(IndexReader(scratch / "empty.h5"), FormatError);
}

}  // namespace
}  // namespace terramill::corpus
