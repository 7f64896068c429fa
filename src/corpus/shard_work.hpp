#pragma once

// What ranks and threads share of work on a corpus's shards; internal to the corpus room.

#include "build_folder.hpp"

#include <terramill/corpus/manifest.hpp>
#include <terramill/mpi/communicator.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Calls `take(shard)` once for each of `items`, of which rank 0's count, on any rank and any of its
/// `threads` threads; `total` is the number that the progress shows. When one throws, its rank's threads take
/// no more. Collective.
void share_shards(const mpi::Communicator& comm, const std::string& name, std::vector<std::uint64_t> items,
                  std::uint64_t total, int threads, const std::function<void(std::uint64_t)>& take);

/// The same for each of [0, shards) that has no part yet. `folder` is on rank 0. Collective.
void take_missing_shards(const mpi::Communicator& comm, const std::string& name,
                         const std::optional<BuildFolder>& folder, std::uint64_t shards, int threads,
                         const std::function<void(std::uint64_t)>& take);

/// Makes the corpus of its parts, as a build does: tables, statistics and, last, the manifest, whole on rank
/// 0. Collective.
void assemble_corpus(const mpi::Communicator& comm, const std::filesystem::path& corpus, std::uint64_t shards,
                     std::optional<BuildFolder>& folder, Manifest& manifest);

}  // namespace terramill::corpus
