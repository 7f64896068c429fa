#include "rows.hpp"

#include "slices.hpp"
#include "threshold.hpp"

#include <terramill/core/philox.hpp>

#include <algorithm>
#include <cmath>

namespace terramill::sampling {
namespace {

constexpr std::uint64_t kBlock = 1 << 16;
constexpr std::size_t kClasses = corpus::kLandCoverClasses;

std::size_t biome_stratum(std::int16_t biome) {
  return biome >= 0 && biome < static_cast<int>(kBiomeStrata) - 1 ? static_cast<std::size_t>(biome) + 1 : 0;
}

}  // namespace

std::vector<Stratum> all_strata(const SamplingOptions& options) {
  std::vector<Stratum> strata;
  if (options.strategy != "landcover") return {Stratum{}};
  for (int land_cover = 0; land_cover < corpus::kLandCoverClasses; ++land_cover) {
    if (!options.biome_strata) {
      strata.push_back({.land_cover = land_cover});
      continue;
    }
    for (std::size_t biome = 0; biome < kBiomeStrata; ++biome) {
      strata.push_back({.land_cover = land_cover, .biome = static_cast<int>(biome) - 1});
    }
  }
  return strata;
}

Rows read_rows(const corpus::IndexReader& index, const Filters& filters, const SamplingOptions& options,
               int rank, int ranks) {
  const bool by_land_cover = options.strategy == "landcover";
  std::uint32_t columns = corpus::kTileKey | corpus::kShardRow | corpus::kLandCover | filters.columns();
  if (by_land_cover && options.biome_strata) columns |= corpus::kBiome;

  Rows rows;
  rows.passed.resize(filters.size() + 1);
  const std::uint64_t begin = slice_begin(index.rows(), ranks, rank);
  const std::uint64_t end = slice_begin(index.rows(), ranks, rank + 1);
  for (std::uint64_t at = begin; at < end; at += kBlock) {
    const corpus::IndexColumns block = index.read(at, std::min(kBlock, end - at), columns);
    for (std::size_t i = 0; i < block.count; ++i) {
      const std::size_t refused_by = filters.first_refusal(block, i);
      for (std::size_t f = 0; f <= refused_by; ++f) ++rows.passed[f];
      if (refused_by < filters.size()) continue;
      const Histogram histogram = std::span(block.land_cover).subspan(i * kClasses).first<kClasses>();
      const auto dominant = static_cast<std::size_t>(dominant_class(histogram));
      std::size_t stratum = by_land_cover ? dominant : 0;
      if (by_land_cover && options.biome_strata) {
        stratum = stratum * kBiomeStrata + biome_stratum(block.biome[i]);
      }
      ++rows.classes[dominant];
      rows.tile_key.push_back(block.tile_key[i]);
      rows.stratum.push_back(static_cast<std::uint8_t>(stratum));
      rows.dominant.push_back(static_cast<std::uint8_t>(dominant));
      rows.shard.push_back(block.shard[i]);
      rows.row.push_back(block.row[i]);
      rows.shards = std::max(rows.shards, block.shard[i] + 1);
      if (options.drop_ocean > 0) rows.ocean.push_back(dominant == 0 && histogram[0] > 0);
      if (options.strategy == "diversity") rows.weight.push_back(diversity_weight(histogram));
      if (options.strategy == "composition") {
        rows.histogram.insert(rows.histogram.end(), histogram.begin(), histogram.end());
      }
    }
  }
  return rows;
}

void total_counts(const mpi::Communicator& comm, Rows& rows) {
  comm.sum(std::span(rows.passed));
  comm.sum(std::span<std::uint64_t>(rows.classes));
  rows.eligible = rows.passed.back();
  rows.shards = comm.max(rows.shards);
}

void thin_ocean(const mpi::Communicator& comm, const SamplingOptions& options, Rows& rows) {
  if (options.drop_ocean <= 0) return;
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < rows.ocean.size(); ++i) {
    if (!rows.ocean[i]) continue;
    keys.push_back(
        philox_key(static_cast<std::uint64_t>(options.seed), Purpose::kOcean, 0, rows.tile_key[i]));
  }
  const std::uint64_t tiles = comm.sum(static_cast<std::uint64_t>(keys.size()));
  const auto kept =
      static_cast<std::uint64_t>(std::floor(static_cast<double>(tiles) * (1 - options.drop_ocean) + 0.5));
  Threshold threshold;
  if (kept > 0) {
    const Target all_kept{0, kept};
    threshold = find_thresholds(comm, keys, {}, 1, std::span(&all_kept, 1)).front();
  }
  std::size_t next = 0;
  std::vector<bool> keep(rows.ocean.size(), true);
  for (std::size_t i = 0; i < keep.size(); ++i) {
    if (!rows.ocean[i]) continue;
    const std::uint64_t key = keys[next++];
    keep[i] = kept > 0 && key <= threshold.key;
    if (keep[i] && key == threshold.key) keep[i] = threshold.ties > 0 && threshold.ties-- > 0;
  }
  const auto compact = [&](auto& values, std::size_t width) {
    std::size_t end = 0;
    for (std::size_t i = 0; i * width < values.size(); ++i) {
      for (std::size_t k = 0; keep[i] && k < width; ++k) values[end++] = values[i * width + k];
    }
    values.resize(end);
  };
  compact(rows.tile_key, 1);
  compact(rows.stratum, 1);
  compact(rows.dominant, 1);
  compact(rows.shard, 1);
  compact(rows.row, 1);
  compact(rows.weight, 1);
  compact(rows.histogram, kClasses);
  rows.ocean.clear();
  rows.eligible -= tiles - kept;
}

void set_weights(const mpi::Communicator& comm, const SamplingOptions& options, std::uint64_t tile_pixels,
                 Rows& rows) {
  if (options.strategy != "composition") return;
  const auto tile = [&](std::size_t i) {
    return Histogram(std::span(rows.histogram).subspan(i * kClasses).first<kClasses>());
  };
  const std::size_t tiles = rows.tile_key.size();
  ClassPixels pixels{};
  for (std::size_t i = 0; i < tiles; ++i) {
    std::uint64_t sum = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      pixels[c] += tile(i)[c];
      sum += tile(i)[c];
    }
    if (sum == 0) pixels[0] += tile_pixels;
  }
  comm.sum(std::span<std::uint64_t>(pixels));
  // On rank 0 for all: a library's pow() may differ between machines.
  ClassPixels factors = composition_factors(pixels, options.balance_exponent);
  comm.broadcast(std::as_writable_bytes(std::span(factors)));
  rows.weight.reserve(tiles);
  for (std::size_t i = 0; i < tiles; ++i) rows.weight.push_back(composition_weight(tile(i), factors));
  rows.histogram = {};
}

}  // namespace terramill::sampling
