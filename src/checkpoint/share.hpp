#pragma once

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

// A rank's share of a checkpoint, and how shares make up the index: docs/formats.md.

namespace terramill::checkpoint {

/// Writes the snapshot's file, if it has anything, into `directory`; synced where `durable`. Returns what the
/// index takes of it: {"file": {name, bytes, …} or null, "slices": […]}. IoError.
Json write_share(const Snapshot& snapshot, const std::filesystem::path& directory, bool durable);

/// What the index says besides the shares: step, ranks, meta, and the tensors without their slices.
Json head_of(const Snapshot& snapshot);

/// The text of index.json, of a head and of every rank's share, as JSON texts in the order of ranks.
std::string index_of(Json head, const std::vector<std::string>& shares);

}  // namespace terramill::checkpoint
