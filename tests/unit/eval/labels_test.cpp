#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/eval/labels.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::eval {
namespace {

using corpus::Split;

/// A folder with an index of tiles that `fill` describes.
class IndexFolder {
 public:
  IndexFolder(std::size_t tiles, const std::function<void(std::size_t, corpus::TileRecord&)>& fill) {
    std::vector<corpus::TileRecord> records(tiles);
    for (std::size_t i = 0; i < tiles; ++i) {
      records[i].tile_id = "tile-" + std::to_string(i);
      records[i].row = static_cast<std::uint32_t>(i);
      fill(i, records[i]);
    }
    corpus::IndexWriter index(scratch_ / corpus::kIndexFile, tiles, 16, 4);
    index.append(records);
    index.finish();
    manifest_.label_names = {"water", "forest", "town"};
  }
  LabelledTiles read(const LabelOptions& options) const {
    return read_labels(scratch_.path(), manifest_, options);
  }

 private:
  testing::Scratch scratch_;
  corpus::Manifest manifest_;
};

void in_all_splits(std::size_t i, corpus::TileRecord& record) { record.split = static_cast<Split>(i % 3); }

TEST(ReadLabels, TakesOneClassPerTileAndLeavesOutTilesWithoutLabel) {
  const IndexFolder folder(9, [](std::size_t i, corpus::TileRecord& record) {
    in_all_splits(i, record);
    record.label = i == 4 ? -1 : static_cast<std::int32_t>(i / 3);
  });
  const LabelledTiles tiles = folder.read({});
  EXPECT_FALSE(tiles.multi_label);
  EXPECT_EQ(tiles.labels, (std::vector<std::int64_t>{0, 0, 0, 1, 1, 2, 2, 2}));
  EXPECT_EQ(tiles.index_rows, (std::vector<std::uint64_t>{0, 1, 2, 3, 5, 6, 7, 8}));
  EXPECT_EQ(tiles.entries.at(4).tile_key, xxh3("tile-5"));
  EXPECT_EQ(tiles.class_names, (std::vector<std::string>{"water", "forest", "town"}));
  EXPECT_EQ(tiles.positions(Split::kTest), (std::vector<std::int64_t>{2, 4, 7}));
  const at::Tensor expected = at::eye(3, at::kDouble);
  EXPECT_TRUE(at::equal(tiles.membership({0, 3, 5}), expected));
}

TEST(ReadLabels, TakesSeveralClassesPerTile) {
  const IndexFolder folder(6, [](std::size_t i, corpus::TileRecord& record) {
    in_all_splits(i, record);
    record.label_bits = i == 0 ? 0 : 5;
  });
  const LabelledTiles tiles = folder.read({});
  EXPECT_TRUE(tiles.multi_label);
  ASSERT_EQ(tiles.size(), 5u);
  EXPECT_TRUE(at::equal(tiles.membership({1})[0], at::tensor(std::vector<double>{1, 0, 1}, at::kDouble)));
}

TEST(ReadLabels, TakesDominantLandCoverAndBiome) {
  const IndexFolder folder(6, [](std::size_t i, corpus::TileRecord& record) {
    in_all_splits(i, record);
    record.biome = static_cast<std::int16_t>(i);
    record.land_cover[i] = 10;
    record.land_cover[11] = 9;
  });
  LabelOptions options;
  options.label = "land_cover";
  EXPECT_EQ(folder.read(options).labels, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(folder.read(options).class_names.size(), 12u);
  options.label = "biome";
  EXPECT_EQ(folder.read(options).labels, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(folder.read(options).class_names.back(), "biome 5");
}

TEST(HashedSplit, DependsOnTileIdAndSeedAlone) {
  const auto labelled = [](std::size_t, corpus::TileRecord& record) { record.label = 0; };
  const auto fewer = [](std::size_t i, corpus::TileRecord& record) { record.label = i % 2 == 0 ? 0 : -1; };
  LabelOptions options;
  options.test_share = 0.3;
  const LabelledTiles all = IndexFolder(1000, labelled).read(options);
  const LabelledTiles half = IndexFolder(1000, fewer).read(options);
  for (std::size_t i = 0; i < half.size(); ++i) EXPECT_EQ(half.split[i], all.split[2 * i]);
  const auto share = [&](Split which) { return static_cast<double>(all.positions(which).size()) / 1000; };
  EXPECT_NEAR(share(Split::kTest), 0.3, 0.06);
  EXPECT_NEAR(share(Split::kValidation), 0.07, 0.03);
  EXPECT_EQ(all.split_hash, IndexFolder(1000, labelled).read(options).split_hash);
  options.split_seed = 1;
  EXPECT_NE(all.split_hash, IndexFolder(1000, labelled).read(options).split_hash);
}

TEST(ReadLabels, RefusesACorpusWithoutLabelsOrTestTiles) {
  EXPECT_THROW(IndexFolder(3, in_all_splits).read({}), UsageError);
  const IndexFolder no_test(3, [](std::size_t, corpus::TileRecord& record) { record.label = 1; });
  EXPECT_THROW(no_test.read({}), UsageError);
}

}  // namespace
}  // namespace terramill::eval
