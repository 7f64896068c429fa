#pragma once

// Statistics measured shard by shard on any ranks; internal to the corpus room.

#include <terramill/corpus/statistics.hpp>
#include <terramill/mpi/communicator.hpp>

#include <string>

namespace terramill::corpus {

class ShardStatistics {
 public:
  void add(std::uint64_t shard, const Statistics& statistics);
  /// Those of all ranks, merged in the order of the shards, on rank 0; elsewhere empty ones. Collective.
  Statistics merge(const mpi::Communicator& comm, const Schema& schema) const;

 private:
  std::string packed_;  // {shard, size, serialised statistics}…
};

}  // namespace terramill::corpus
