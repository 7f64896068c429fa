#pragma once

#include <terramill/checkpoint/state.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terramill::train {

/// XXH3 of the training state that lies on this rank.
struct StateHashes {
  std::uint64_t all = 0;         ///< parameters, moments, and whatever else a checkpoint keeps
  std::uint64_t replicated = 0;  ///< of it, what the other replicas hold too
};
StateHashes hash_state(const std::vector<checkpoint::StateTensor>& state);

/// A state that is not what it must be.
struct Corruption {
  std::vector<int> ranks;  ///< that it is on; empty where that cannot be told
  std::vector<std::string> hosts;
  std::string text;  ///< says so
};

/// That it is on these ranks. Collective.
Corruption name_corruption(const mpi::Communicator& world, std::vector<int> ranks);

/// Whether the replicas' hashes differ, or a rank says that its own state is `broken`. With at least three
/// replicas the odd ones are named. The same on every rank. Collective.
std::optional<Corruption> find_corruption(const parallel::Mesh& mesh, std::uint64_t replicated, bool broken);

}  // namespace terramill::train
