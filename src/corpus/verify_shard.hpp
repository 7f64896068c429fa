#pragma once

// The verification of one shard; internal to the corpus room.

#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/corpus/verify.hpp>

#include <span>

namespace terramill::corpus {

struct ShardFindings {
  std::vector<CorpusFault> faults;
  std::uint64_t chunks = 0, bytes = 0;
};

/// Checks shard number `shard` against its entry in the manifest and `records`, its rows of the index (empty:
/// the index is unreadable, which is reported elsewhere). `statistics` receives the shard's own, complete
/// only without faults. Missing files are reported elsewhere.
ShardFindings verify_shard(const std::filesystem::path& corpus, const Manifest& manifest, std::uint64_t shard,
                           std::span<const TileRecord> records, Statistics& statistics);

}  // namespace terramill::corpus
