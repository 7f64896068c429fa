#pragma once

#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::eval {

/// What is to be told from features, and which tiles are kept for the test.
struct LabelOptions {
  /// "label": the corpus's classes, one or several per tile; "land_cover": the dominant of the 12 land-cover
  /// classes; "biome".
  std::string label = "label";
  double test_share = 0;          ///< 0: the corpus's own splits; otherwise a hashed share of all tiles
  double validation_share = 0.1;  ///< of what is not test, by hash, where the corpus's splits hold none
  std::int64_t split_seed = 0;    ///< of the hashes
};

/// The labelled tiles of a corpus, in index order.
struct LabelledTiles {
  std::vector<std::string> class_names;
  bool multi_label = false;
  std::vector<sampling::PlanEntry> entries;  ///< where each tile is
  std::vector<std::uint64_t> index_rows;
  std::vector<std::int64_t> labels;  ///< class, or -1 where multi_label
  std::vector<std::uint64_t> bits;   ///< bit c: class c
  std::vector<corpus::Split> split;
  bool hashed_test = false, hashed_validation = false;  ///< drawn here, not by the corpus
  std::uint64_t split_hash = 0;  ///< xxh3 over (tile key, split) of all tiles in order of key

  std::size_t size() const noexcept { return entries.size(); }
  /// Positions in the lists of the tiles in one split.
  std::vector<std::int64_t> positions(corpus::Split which) const;
  /// [n, classes] float64 of 0 and 1, of the tiles at `positions`.
  at::Tensor membership(const std::vector<std::int64_t>& positions) const;
};

/// Reads the labels of every tile that has one. A tile is in the hashed test set when the fraction that
/// Philox(split_seed, kSplit, tile key, 0) gives is below `test_share`: a tile stays where it is whatever
/// else the corpus holds. UsageError where there are no labels, or no training or test tiles.
LabelledTiles read_labels(const std::filesystem::path& corpus, const corpus::Manifest& manifest,
                          const LabelOptions& options);

}  // namespace terramill::eval
