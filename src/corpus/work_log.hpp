#pragma once

// Who asked for work when, and who worked on what when; internal to the corpus room.

#include <terramill/mpi/work_server.hpp>

#include <filesystem>
#include <vector>

namespace terramill::corpus {

class WorkLog {
 public:
  WorkLog(const mpi::Communicator& comm, mpi::WorkServer& server) : comm_(comm), server_(server) {}
  void begin(std::uint64_t shard);
  void end(std::uint64_t shard);
  /// Ends the service and gathers what every rank noted. Collective.
  void finish();

  /// On rank 0, after `finish`: the longest time that a rank waited for an answer, and which rank.
  double longest_wait_ms() const noexcept { return longest_wait_ms_; }
  int longest_wait_rank() const noexcept { return longest_wait_rank_; }
  /// On rank 0: JSON lines. {"event": "request", "rank", "shard" (null: none was left), "asked", "answered",
  /// "waited"} and
  /// {"event": "shard", "rank", "shard", "begin", "end"}; seconds since the service began.
  void write(const std::filesystem::path& path) const;

 private:
  struct Span {
    int rank;
    std::uint64_t shard;
    double begin, end;
  };
  const mpi::Communicator& comm_;
  mpi::WorkServer& server_;
  std::vector<Span> spans_;
  std::vector<mpi::WorkRecord> requests_;
  double longest_wait_ms_ = 0;
  int longest_wait_rank_ = 0;
};

}  // namespace terramill::corpus
