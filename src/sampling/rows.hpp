#pragma once

#include "filters.hpp"
#include "weights.hpp"

#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <vector>

namespace terramill::sampling {

inline constexpr std::size_t kBiomeStrata = 15;  ///< unknown, then the 14 biomes

/// The eligible tiles of this rank's slice of the index, in order of index row.
struct Rows {
  std::vector<std::uint64_t> tile_key;
  std::vector<std::uint8_t> stratum;   ///< position among `all_strata(options)`
  std::vector<std::uint8_t> dominant;  ///< land-cover class
  std::vector<std::uint32_t> shard, row;
  std::vector<double> weight;            ///< diversity and, after set_weights, composition; else empty
  std::vector<std::uint32_t> histogram;  ///< composition: rows x 12, until set_weights
  std::vector<bool> ocean;  ///< where oceans are thinned: dominant class 0, of at least one pixel

  std::vector<std::uint64_t>
      passed;                  ///< tiles of the index, then those that passed filter 0, filters 0 and 1 …
  ClassCounts classes{};       ///< of those that passed all
  std::uint64_t eligible = 0;  ///< what thin_ocean leaves of them
  std::uint32_t shards = 0;    ///< 1 + the highest shard of an eligible tile
};

/// Every stratum that the strategy knows, in order.
std::vector<Stratum> all_strata(const SamplingOptions& options);

/// Reads, filters and classifies the slice of `rank` of `ranks`, in blocks; counts are of the slice.
Rows read_rows(const corpus::IndexReader& index, const Filters& filters, const SamplingOptions& options,
               int rank, int ranks);
/// Makes the counts those of all ranks. Collective.
void total_counts(const mpi::Communicator& comm, Rows& rows);
/// Drops the ocean tiles that `options.drop_ocean` does not leave (plan_epoch in plan.hpp). Collective.
void thin_ocean(const mpi::Communicator& comm, const SamplingOptions& options, Rows& rows);
/// Gives the tiles of `composition` their weights. `tile_pixels`: what a tile without land cover counts as.
/// Collective.
void set_weights(const mpi::Communicator& comm, const SamplingOptions& options, std::uint64_t tile_pixels,
                 Rows& rows);

}  // namespace terramill::sampling
