#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/eval/labels.hpp>
#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <bit>

#include <torch/torch.h>

namespace terramill::eval {

namespace {

using corpus::IndexColumns;
using corpus::Split;

[[noreturn]] void refuse(const std::string& message, const std::string& subject, const std::string& advice) {
  throw UsageError(message, {"read the labels of a corpus", subject, advice});
}

/// A row's classes as bits; 0 where it has no label.
std::uint64_t classes_of(const IndexColumns& columns, std::size_t row, const std::string& label) {
  const auto bit = [](std::int64_t c) { return c < 0 || c >= 64 ? 0 : std::uint64_t{1} << c; };
  if (label == "biome") return bit(columns.biome[row]);
  if (label == "land_cover") {
    const auto first =
        columns.land_cover.begin() + static_cast<std::ptrdiff_t>(row * corpus::kLandCoverClasses);
    const auto most = std::max_element(first, first + corpus::kLandCoverClasses);
    return *most == 0 ? 0 : bit(most - first);
  }
  return columns.label[row] >= 0 ? bit(columns.label[row]) : columns.label_bits[row];
}

std::vector<std::string> names_of(const std::string& label, const corpus::Manifest& manifest,
                                  const std::vector<std::uint64_t>& bits) {
  std::vector<std::string> names;
  if (label == "land_cover") {
    for (const auto& one : geo::land_cover_classes()) names.emplace_back(one.name);
  } else if (label == "label") {
    names = manifest.label_names;
  }
  std::uint64_t used = 0;
  for (const std::uint64_t one : bits) used |= one;
  for (auto c = names.size(); c < static_cast<std::size_t>(std::bit_width(used)); ++c) {
    names.push_back((label == "biome" ? "biome " : "class ") + std::to_string(c));
  }
  return names;
}

/// Uniform in [0, 1) by tile: `draw` 0 for the test set, 1 for validation.
double fraction(std::int64_t seed, std::uint64_t tile_key, std::uint64_t draw) {
  return static_cast<double>(philox_key(static_cast<std::uint64_t>(seed), Purpose::kSplit, tile_key, draw) >>
                             11) *
         0x1.0p-53;
}

void draw_splits(LabelledTiles& tiles, const LabelOptions& options) {
  tiles.hashed_test = options.test_share > 0;
  if (tiles.hashed_test) {
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const bool test = fraction(options.split_seed, tiles.entries[i].tile_key, 0) < options.test_share;
      tiles.split[i] = test ? Split::kTest : Split::kTrain;
    }
  }
  const auto none = [&](Split which) {
    return std::count(tiles.split.begin(), tiles.split.end(), which) == 0;
  };
  tiles.hashed_validation = none(Split::kValidation) && options.validation_share > 0;
  if (tiles.hashed_validation) {
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      if (tiles.split[i] == Split::kTrain &&
          fraction(options.split_seed, tiles.entries[i].tile_key, 1) < options.validation_share) {
        tiles.split[i] = Split::kValidation;
      }
    }
  }
  if (none(Split::kTest)) {
    refuse("none of the labelled tiles is in the test split", "test-share",
           "give a share to keep for the test: --test-share 0.2");
  }
  if (none(Split::kTrain))
    refuse("none of the labelled tiles is left for training", "test-share", "lower it");

  std::vector<std::pair<std::uint64_t, Split>> all;
  for (std::size_t i = 0; i < tiles.size(); ++i) all.emplace_back(tiles.entries[i].tile_key, tiles.split[i]);
  std::sort(all.begin(), all.end());
  Xxh3 hash;
  for (const auto& [key, split] : all) {
    hash.update_u64(key);
    hash.update_u64(static_cast<std::uint64_t>(split));
  }
  tiles.split_hash = hash.digest();
}

}  // namespace

std::vector<std::int64_t> LabelledTiles::positions(Split which) const {
  std::vector<std::int64_t> list;
  for (std::size_t i = 0; i < size(); ++i) {
    if (split[i] == which) list.push_back(static_cast<std::int64_t>(i));
  }
  return list;
}

at::Tensor LabelledTiles::membership(const std::vector<std::int64_t>& positions) const {
  const auto classes = static_cast<std::int64_t>(class_names.size());
  at::Tensor table = at::empty({static_cast<std::int64_t>(positions.size()), classes}, at::kDouble);
  double* out = table.mutable_data_ptr<double>();
  for (const std::int64_t position : positions) {
    for (std::int64_t c = 0; c < classes; ++c) {
      *out++ = static_cast<double>(bits[static_cast<std::size_t>(position)] >> c & 1u);
    }
  }
  return table;
}

LabelledTiles read_labels(const std::filesystem::path& corpus, const corpus::Manifest& manifest,
                          const LabelOptions& options) {
  if (!(options.test_share >= 0 && options.test_share < 1)) {
    refuse("the share must be from 0 to below 1", "test-share", "");
  }
  if (!(options.validation_share >= 0 && options.validation_share < 1)) {
    refuse("the share must be from 0 to below 1", "validation-share", "");
  }
  if (manifest.index_only) {
    refuse("the corpus is an index without shards: there is nothing to compute features of", corpus.string(),
           "");
  }
  const corpus::IndexReader index(corpus / corpus::kIndexFile);
  LabelledTiles tiles;
  constexpr std::uint64_t kBlock = 1 << 20;
  for (std::uint64_t begin = 0; begin < index.rows(); begin += kBlock) {
    const std::uint32_t wanted = corpus::kTileKey | corpus::kShardRow | corpus::kSplit | corpus::kLabel |
                                 corpus::kLabelBits | corpus::kLandCover | corpus::kBiome;
    const IndexColumns columns = index.read(begin, std::min(kBlock, index.rows() - begin), wanted);
    for (std::size_t row = 0; row < columns.count; ++row) {
      const std::uint64_t bits = classes_of(columns, row, options.label);
      if (bits == 0) continue;
      tiles.entries.push_back({columns.tile_key[row], columns.shard[row], columns.row[row]});
      tiles.index_rows.push_back(begin + row);
      tiles.bits.push_back(bits);
      tiles.split.push_back(static_cast<Split>(columns.split[row]));
      tiles.multi_label = tiles.multi_label || (options.label == "label" && columns.label[row] < 0);
    }
  }
  if (tiles.size() == 0) {
    refuse("no tile of the corpus has a " + (options.label == "land_cover" ? "land cover" : options.label),
           corpus.string(),
           options.label == "label" ? "choose --label land_cover or biome, or build it with [labels]"
                                    : "see terramill corpus info");
  }
  for (const std::uint64_t bits : tiles.bits) {
    tiles.labels.push_back(tiles.multi_label ? -1 : std::countr_zero(bits));
  }
  tiles.class_names = names_of(options.label, manifest, tiles.bits);
  draw_splits(tiles, options);
  return tiles;
}

}  // namespace terramill::eval
