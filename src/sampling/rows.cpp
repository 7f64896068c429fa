#include "rows.hpp"

#include "slices.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace terramill::sampling {
namespace {

constexpr std::uint64_t kBlock = 1 << 16;

std::optional<corpus::Split> split_from(const std::string& name) {
  if (name == "train") return corpus::Split::kTrain;
  if (name == "validation") return corpus::Split::kValidation;
  if (name == "test") return corpus::Split::kTest;
  return std::nullopt;
}

/// Bits of the modalities that a tile must have.
std::uint32_t required_bits(const std::string& names, const corpus::Schema& schema) {
  std::uint32_t bits = 0;
  for (const std::string& name : split_list(names)) bits |= std::uint32_t{1} << schema.index_of(name);
  return bits;
}

std::size_t biome_stratum(std::int16_t biome) {
  return biome >= 0 && biome < static_cast<int>(kBiomeStrata) - 1 ? static_cast<std::size_t>(biome) + 1 : 0;
}

}  // namespace

std::vector<Stratum> all_strata(const SamplingOptions& options) {
  std::vector<Stratum> strata;
  if (options.strategy == "natural") return {Stratum{}};
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

Rows read_rows(const corpus::IndexReader& index, const corpus::Schema& schema, const SamplingOptions& options,
               int rank, int ranks) {
  const bool by_land_cover = options.strategy == "landcover";
  const auto split = split_from(options.split);
  const std::uint32_t required = required_bits(options.modalities, schema);
  std::uint32_t columns = corpus::kTileKey | corpus::kShardRow;
  if (split) columns |= corpus::kSplit;
  if (required != 0) columns |= corpus::kPresent;
  if (by_land_cover) columns |= corpus::kLandCover;
  if (by_land_cover && options.biome_strata) columns |= corpus::kBiome;

  Rows rows;
  const std::uint64_t begin = slice_begin(index.rows(), ranks, rank);
  const std::uint64_t end = slice_begin(index.rows(), ranks, rank + 1);
  for (std::uint64_t at = begin; at < end; at += kBlock) {
    const corpus::IndexColumns block = index.read(at, std::min(kBlock, end - at), columns);
    for (std::size_t i = 0; i < block.count; ++i) {
      ++rows.in_index;
      if (split && block.split[i] != static_cast<std::uint8_t>(*split)) continue;
      ++rows.in_split;
      if (required != 0 && (block.present[i] & required) != required) continue;
      ++rows.eligible;
      std::size_t stratum = 0;
      if (by_land_cover) {
        constexpr std::size_t kClasses = corpus::kLandCoverClasses;
        stratum = static_cast<std::size_t>(
            dominant_class(std::span(block.land_cover).subspan(i * kClasses, kClasses)));
        if (options.biome_strata) stratum = stratum * kBiomeStrata + biome_stratum(block.biome[i]);
      }
      rows.tile_key.push_back(block.tile_key[i]);
      rows.stratum.push_back(static_cast<std::uint8_t>(stratum));
      rows.shard.push_back(block.shard[i]);
      rows.row.push_back(block.row[i]);
      rows.shards = std::max(rows.shards, block.shard[i] + 1);
    }
  }
  return rows;
}

void total_counts(const mpi::Communicator& comm, Rows& rows) {
  std::array<std::uint64_t, 3> counts = {rows.in_index, rows.in_split, rows.eligible};
  comm.sum(std::span<std::uint64_t>(counts));
  rows.in_index = counts[0];
  rows.in_split = counts[1];
  rows.eligible = counts[2];
  rows.shards = comm.max(rows.shards);
}

}  // namespace terramill::sampling
