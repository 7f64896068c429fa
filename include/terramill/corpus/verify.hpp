#pragma once

#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

/// One thing that is wrong with a corpus. `tile` and `modality` are empty where the fault is not in a tile's
/// values.
struct CorpusFault {
  std::string file;  ///< inside the corpus
  std::string tile, modality;
  std::string problem;
};

struct VerifyReport {
  std::uint64_t shards = 0, tiles = 0, chunks = 0, bytes = 0;  ///< looked at
  std::vector<CorpusFault> faults;                             ///< on rank 0, in order of file and row
  std::uint64_t fault_count = 0;                               ///< on every rank
  double seconds = 0;
};

Json to_json(const VerifyReport& report);

/// Checks everything in a corpus against everything else: every file's hash, every chunk's hash and decoded
/// size, every row of the index against its shard, the statistics and content hash computed anew, files that
/// are missing or too many. Collective over shards, with `threads` (>= 1) per rank. What is wrong is
/// reported; IoError only when `corpus` holds no corpus.
VerifyReport verify(const mpi::Communicator& comm, const std::filesystem::path& corpus, int threads);

}  // namespace terramill::corpus
