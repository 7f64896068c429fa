#pragma once

#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <vector>

namespace terramill::sampling {

inline constexpr std::size_t kBiomeStrata = 15;  ///< unknown, then the 14 biomes

/// The eligible tiles of this rank's slice of the index, in order of index row.
struct Rows {
  std::vector<std::uint64_t> tile_key;
  std::vector<std::uint8_t> stratum;  ///< position among `all_strata(options)`
  std::vector<std::uint32_t> shard, row;
  std::uint64_t in_index = 0, in_split = 0,
                eligible = 0;  ///< rows, those of the split, those with the modalities too
  std::uint32_t shards = 0;    ///< 1 + the highest shard of an eligible tile
};

/// Every stratum that the strategy knows, in order.
std::vector<Stratum> all_strata(const SamplingOptions& options);

/// Reads, filters and classifies the slice of `rank` of `ranks`, in blocks; counts are of the slice.
Rows read_rows(const corpus::IndexReader& index, const corpus::Schema& schema, const SamplingOptions& options,
               int rank, int ranks);
/// Makes the counts those of all ranks. Collective.
void total_counts(const mpi::Communicator& comm, Rows& rows);

}  // namespace terramill::sampling
