#pragma once

#include <terramill/mpi/communicator.hpp>
#include <terramill/sampling/plan.hpp>

#include <vector>

namespace terramill::sampling {

/// An entry with the key that orders it.
struct KeyedEntry {
  std::uint64_t key = 0;
  PlanEntry entry;
};

/// Sorts entries spread over the ranks by key, then shard and row, and leaves to each rank its slice
/// (slices.hpp) of the whole. Collective.
std::vector<PlanEntry> sort_entries(const mpi::Communicator& comm, std::vector<KeyedEntry> entries);

}  // namespace terramill::sampling
