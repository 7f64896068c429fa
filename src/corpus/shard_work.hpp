#pragma once

// What making a corpus out of other corpora takes besides the shards themselves; internal to the corpus room.

#include "build_folder.hpp"

#include <terramill/corpus/manifest.hpp>
#include <terramill/mpi/communicator.hpp>

#include <functional>
#include <optional>
#include <string>

namespace terramill::corpus {

/// Calls `take(shard)` once for each of [0, shards) that has no part yet, on any rank and any of its
/// `threads` threads. `folder` is on rank 0. Collective.
void take_missing_shards(const mpi::Communicator& comm, const std::string& name,
                         const std::optional<BuildFolder>& folder, std::uint64_t shards, int threads,
                         const std::function<void(std::uint64_t)>& take);

/// Makes the corpus of its parts, as a build does: tables, statistics and, last, the manifest, whole on rank
/// 0. Collective.
void assemble_corpus(const mpi::Communicator& comm, const std::filesystem::path& corpus, std::uint64_t shards,
                     std::optional<BuildFolder>& folder, Manifest& manifest);

}  // namespace terramill::corpus
