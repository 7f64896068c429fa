#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

struct MergeOptions {
  std::vector<std::filesystem::path> inputs;  ///< complete corpora, at least two
  std::filesystem::path output;
  int threads = 1;  ///< per rank
};

/// What a merge did; whole on rank 0, elsewhere only `tiles`, `shards` and `complete_before`.
struct MergeReport {
  bool complete_before = false;  ///< the corpus was there already
  std::uint64_t tiles = 0, quarantined = 0, shards = 0;
  std::uint64_t linked = 0, copied = 0;  ///< shards, in this run
  double seconds = 0;
  std::string content;  ///< the corpus's content hash
};

/// Joins corpora of one schema, tile size, codec and --compat into a new one. Collective.
///
/// The shards of the inputs follow one another in their order, each hard-linked, or copied where the file
/// system cannot link, and checked as by `verify`. Rows of the index and quarantined tiles keep their order;
/// statistics are those that one build of all tiles gives. Label names are united in order of their first
/// appearance and labels follow their names. Splits stay as they are. An interrupted merge is continued by
/// the same call and ends with the same bytes.
///
/// UsageError, naming the inputs, where they differ in what must be equal, where two hold a tile of the same
/// id (the first such tile in the order of the result is named), where an input is an index only, or where
/// the folder cannot be taken, as for `build`; IntegrityError for a damaged input.
MergeReport merge(const mpi::Communicator& comm, const MergeOptions& options);

}  // namespace terramill::corpus
