#include "state_hash.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/fault/guard.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <torch/torch.h>

namespace terramill::train {

namespace {

/// "rank 2 on n3, rank 5 on n1". Collective.
Corruption name_ranks(const mpi::Communicator& world, std::vector<int> ranks) {
  std::vector<std::string> hosts = world.gather(process_host());
  Corruption found;
  found.ranks = std::move(ranks);
  for (const int rank : found.ranks) {
    const std::string host =
        world.broadcast(world.rank() == 0 ? hosts[static_cast<std::size_t>(rank)] : std::string());
    found.hosts.push_back(host);
    found.text += (found.text.empty() ? "rank " : ", rank ") + std::to_string(rank) + " on " + host;
  }
  return found;
}

}  // namespace

StateHashes hash_state(const std::vector<checkpoint::StateTensor>& state) {
  const trace::Span span("hash the state", "compute");
  Xxh3 all, replicated;
  for (const checkpoint::StateTensor& tensor : state) {
    using Set = checkpoint::Holders::Set;
    const bool shared = tensor.holders.set == Set::kAll || tensor.holders.set == Set::kReplicas;
    for (const checkpoint::Piece& piece : tensor.pieces) {
      const at::Tensor values = piece.values.cpu().contiguous();
      const std::uint64_t hash =
          xxh3(std::span(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()));
      all.update_u64(hash);
      if (shared) replicated.update_u64(hash);
    }
  }
  return {all.digest(), replicated.digest()};
}

Corruption name_corruption(const mpi::Communicator& world, std::vector<int> ranks) {
  Corruption found = name_ranks(world, std::move(ranks));
  found.text = "parameters or moments changed by themselves on " + found.text;
  return found;
}

std::optional<Corruption> find_corruption(const parallel::Mesh& mesh, std::uint64_t replicated, bool broken) {
  const std::array<std::uint64_t, 2> own = {replicated, broken ? 1U : 0U};
  const std::vector<std::uint64_t> all = mesh.world().all_gather(std::span<const std::uint64_t>(own));
  const auto tp = static_cast<std::size_t>(mesh.tp()), dp = static_cast<std::size_t>(mesh.dp());
  std::vector<int> odd, differing;
  for (std::size_t rank = 0; rank < dp * tp; ++rank) {
    if (all[2 * rank + 1] != 0) odd.push_back(static_cast<int>(rank));
  }
  bool differ = false;
  for (std::size_t t = 0; t < tp; ++t) {
    std::vector<std::uint64_t> hashes;
    for (std::size_t d = 0; d < dp; ++d) hashes.push_back(all[2 * (d * tp + t)]);
    const auto replicas = fault::odd_replicas(hashes);
    if (!replicas) continue;
    differ = true;
    for (const int replica : *replicas) {
      const int rank = replica * mesh.tp() + static_cast<int>(t);
      if (std::ranges::find(odd, rank) == odd.end()) odd.push_back(rank);
    }
    if (replicas->empty()) {
      for (std::size_t d = 0; d < dp; ++d) differing.push_back(static_cast<int>(d * tp + t));
    }
  }
  if (odd.empty() && !differ) return std::nullopt;
  std::ranges::sort(odd);
  if (!odd.empty()) {
    return name_corruption(mesh.world(), std::move(odd));
  }
  Corruption found = name_ranks(mesh.world(), std::move(differing));
  found.text = "the replicas' states differ, and no majority says which is right: " + found.text;
  found.ranks.clear();
  found.hosts.clear();
  return found;
}

}  // namespace terramill::train
