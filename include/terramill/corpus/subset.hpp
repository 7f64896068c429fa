#pragma once

#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

struct SubsetOptions {
  std::filesystem::path corpus;  ///< complete
  std::filesystem::path output;
  std::vector<std::uint64_t> rows;  ///< of its index, ascending, at least one; equal on every rank
  Json choice;                      ///< how they were chosen: kept in the manifest; equal on every rank
  int threads = 1;                  ///< per rank
};

/// What a subset took; whole on rank 0, elsewhere only `complete_before`, `tiles` and `shards`.
struct SubsetReport {
  bool complete_before = false;  ///< the corpus was there already
  std::uint64_t tiles = 0, shards = 0;
  double seconds = 0;
  std::string content;  ///< the corpus's content hash
};

/// Makes a corpus of some tiles of another: chunks are copied as they are stored, in order, into shards of as
/// many tiles as the other corpus has candidates per shard. Splits and labels stay; no tile is quarantined;
/// statistics are those of the tiles taken. Every chunk's hash is checked. Collective. An interrupted subset
/// is continued by the same call and ends with the same bytes.
///
/// UsageError for an index without tiles and where the folder cannot be taken, as for `build`; IntegrityError
/// for a damaged corpus.
SubsetReport subset(const mpi::Communicator& comm, const SubsetOptions& options);

}  // namespace terramill::corpus
