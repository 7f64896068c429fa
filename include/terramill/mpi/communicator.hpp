#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mpi.h>

namespace terramill::mpi {

/// Throws LibraryError with MPI's text when `status` is not MPI_SUCCESS.
void check(int status, const char* attempted, std::source_location where = std::source_location::current());

/// Starts MPI with MPI_THREAD_MULTIPLE, makes MPI's errors return codes, names the process for errors and
/// logs (core/error.hpp), and finalises at destruction. One per process. LibraryError when the library cannot
/// give MPI_THREAD_MULTIPLE, which the work server and the communication threads need.
class Session {
 public:
  Session(int* argc, char*** argv);
  /// Without finalising when an exception is in flight: its handler aborts the job instead. Ends the process
  /// with ExitCode::kHung where the other ranks keep MPI from ending for ten minutes.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  int exceptions_;
};

/// Ends the whole job with `code`, from any rank; where MPI is not up, ends this process.
[[noreturn]] void abort_job(int code);

/// The predefined MPI type of an arithmetic type.
template <typename T>
MPI_Datatype datatype();

/// An owned (duplicated or split) communicator. Collectives are collective over it; all block. Counts beyond
/// INT_MAX are sent in pieces. Not thread-safe as a whole: give each thread its own duplicate.
class Communicator {
 public:
  /// A duplicate of MPI_COMM_WORLD. Collective.
  static Communicator world();
  /// MPI_COMM_SELF's duplicate: one rank, this one.
  static Communicator self();
  ~Communicator();
  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&& other) noexcept;

  Communicator duplicate() const;
  /// Ranks of equal `color` form a communicator, ordered by `key`.
  Communicator split(int color, int key) const;
  /// The ranks that share this one's node.
  Communicator split_node() const;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  MPI_Comm native() const noexcept { return comm_; }

  void barrier() const;
  void broadcast(std::span<std::byte> bytes, int root = 0) const;
  /// Every rank gets the root's text.
  std::string broadcast(const std::string& text, int root = 0) const;

  template <typename T>
  T sum(T value) const;
  template <typename T>
  T min(T value) const;
  template <typename T>
  T max(T value) const;
  /// Element-wise, in place.
  template <typename T>
  void sum(std::span<T> values) const;
  template <typename T>
  void max(std::span<T> values) const;
  /// Sum over lower ranks, element-wise, in place; zeros on rank 0.
  template <typename T>
  void exclusive_scan(std::span<T> values) const;
  template <typename T>
  std::vector<T> all_gather(T value) const;
  /// Concatenation over ranks, in rank order.
  template <typename T>
  std::vector<T> all_gather(std::span<const T> values) const;
  /// On `root` every rank's text in rank order; elsewhere empty.
  std::vector<std::string> gather(const std::string& text, int root = 0) const;
  /// Element d of `send` goes to rank d; the result holds what rank s sent, concatenated in order of s. T is
  /// trivially copyable.
  template <typename T>
  std::vector<T> all_to_all(const std::vector<std::vector<T>>& send) const;

 private:
  explicit Communicator(MPI_Comm comm);
  void release() noexcept;
  /// What all ranks sent to this one, in rank order; `send` in order of their destinations.
  std::vector<std::vector<std::byte>> exchange(const std::vector<std::span<const std::byte>>& send) const;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

/// Throws AgreementError on every rank, naming the first key that differs and the ranks' values, unless all
/// ranks hold the same (key, value) list. Collective.
void require_agreement(const Communicator& comm,
                       const std::vector<std::pair<std::string, std::string>>& values,
                       const std::string& what);

/// Runs `job` on every rank, then agrees on failure: where any rank threw, all ranks throw (the thrower its
/// own exception, the others an Error that names the first failing rank and its text), so that none is left
/// waiting. Collective.
template <typename F>
void all_or_none(const Communicator& comm, F&& job);

}  // namespace terramill::mpi

#include <terramill/mpi/communicator_impl.hpp>
