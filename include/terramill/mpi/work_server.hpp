#pragma once

#include <terramill/mpi/communicator.hpp>
#include <terramill/mpi/meeting.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace terramill::mpi {

/// One answered request for work.
struct WorkRecord {
  int rank;                ///< who asked
  std::uint64_t item;      ///< what it got; kNoWork when nothing was left
  double asked, answered;  ///< seconds since the server started, on rank 0's clock: arrival and reply
  double waited;           ///< seconds the asking rank waited, on its own clock
};
inline constexpr std::uint64_t kNoWork = ~std::uint64_t{0};

/// Hands out items, each once, in the order of the list, to whichever rank asks next.
///
/// A service thread on rank 0 answers, so that requests do not wait for rank 0's own work. (One-sided
/// counters wait for the target's progress.) Construction and `finish` are collective; `next` is not and may
/// be called by one thread of a rank at a time.
class WorkServer {
 public:
  /// `items` counts on rank 0 only.
  WorkServer(const Communicator& comm, std::vector<std::uint64_t> items);
  ~WorkServer();
  WorkServer(const WorkServer&) = delete;
  WorkServer& operator=(const WorkServer&) = delete;

  std::optional<std::uint64_t> next();

  /// Ends the service once every rank has called it, in a Meeting: the time that other ranks work is no
  /// silence of those that have nothing left. On rank 0 returns every request in order of answer.
  std::vector<WorkRecord> finish();

  /// Seconds since the server started on this rank.
  double elapsed() const;

 private:
  void serve();

  Communicator comm_;
  std::vector<std::uint64_t> items_;
  std::size_t position_ = 0;         // guarded by mutex_
  std::vector<WorkRecord> records_;  // guarded by mutex_
  std::mutex mutex_;
  std::vector<double> waits_;  // of this rank, in order of its requests
  std::chrono::steady_clock::time_point start_;
  Meeting meeting_;
  std::thread service_;
  bool finished_ = false;
  std::atomic<bool> stop_{false};  // ends the service
  std::exception_ptr failure_;     // of the service; read after joining it
};

}  // namespace terramill::mpi
