#pragma once

#include <terramill/mpi/communicator.hpp>

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace terramill::mpi {

/// How long a thread sleeps at most between looks: where it waits for work of others, and where data flows,
/// which MPI moves on at each look only.
inline constexpr std::chrono::microseconds kWorkNap{5000}, kDataNap{100};

/// Waits until all requests are done, asleep between looks: for threads that work behind the computing, whose
/// cores MPI's own waiting would take. Naps double from 50 µs to `longest`. `attempted`, a literal, is for
/// errors.
void wait_patiently(std::span<MPI_Request> requests, const char* attempted,
                    std::chrono::microseconds longest = kWorkNap);

/// Collectives that wait so. Over a communicator that no other thread uses meanwhile; it must outlive this.
class Patient {
 public:
  explicit Patient(const Communicator& comm) : comm_(comm) {}

  int rank() const noexcept { return comm_.rank(); }
  int size() const noexcept { return comm_.size(); }
  MPI_Comm native() const noexcept { return comm_.native(); }

  int min(int value) const;
  /// Every rank gets the root's text.
  std::string broadcast(const std::string& text, int root = 0) const;
  /// On `root` every rank's text in rank order; elsewhere empty.
  std::vector<std::string> gather(const std::string& text, int root = 0) const;
  /// As mpi::all_or_none.
  void all_or_none(const std::function<void()>& job) const;

 private:
  const Communicator& comm_;
};

}  // namespace terramill::mpi
