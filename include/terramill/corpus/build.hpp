#pragma once

#include <terramill/corpus/codec.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace terramill::corpus {

/// What a corpus is built from, and how. All but `threads`, `memory_mib` and `work_log` decides the corpus.
struct BuildOptions {
  SourceOptions source;
  std::filesystem::path output;
  std::uint64_t shard_tiles =
      0;  ///< candidates per shard; 0: so that there are 64 shards, but 64 to 1024 each
  Codec codec = Codec::kDeflate;
  int level = 6;
  int threads = 0;                  ///< per rank; 0: the cores of the node shared among its ranks
  std::uint64_t memory_mib = 1024;  ///< for tiles in flight, per rank
  std::filesystem::path work_log;   ///< a JSON line per request for work and per shard; empty: none
};

/// What a build did; whole on rank 0, elsewhere only `tiles`, `quarantined` and `complete_before`.
struct BuildReport {
  bool complete_before = false;  ///< the corpus was there already
  std::uint64_t tiles = 0, quarantined = 0, shards = 0;
  std::map<std::string, std::uint64_t> reasons;       ///< of quarantine, with their counts
  std::uint64_t built_shards = 0, built_tiles = 0;    ///< in this run; the others were there
  std::uint64_t decoded_bytes = 0, stored_bytes = 0;  ///< of all shards
  std::uint64_t built_bytes = 0;                      ///< decoded, in this run
  double seconds = 0;
  double longest_wait_ms = 0;  ///< of any rank for work
  int longest_wait_rank = 0, threads = 1;
  std::string content;  ///< the corpus's content hash

  /// Quarantined share of all candidates.
  double quarantine_rate() const noexcept;
};

/// Builds a corpus, or what is missing of one. Collective.
///
/// A folder that holds a complete corpus of the same input and options is left as it is. An unfinished build
/// keeps its parts in CORPUS/.build; the same call continues it, and ends with the bytes of an undisturbed
/// build. UsageError when the folder holds something else, was built with other options (named one by one),
/// or is being built by another process; IoError, LibraryError when it cannot be read or written.
BuildReport build(const mpi::Communicator& comm, const BuildOptions& options);

}  // namespace terramill::corpus
