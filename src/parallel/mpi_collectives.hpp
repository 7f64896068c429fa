#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace terramill::parallel {

/// Type and size of an element in MPI's terms.
struct MpiElement {
  MPI_Datatype type;
  std::int64_t size;  ///< bytes
};

/// Blocking collectives on raw memory; counts in elements, of any size: an int's worth of them goes at a
/// time. All may throw LibraryError. For one thread at a time.
class MpiCollectives {
 public:
  /// Collective: duplicates `comm`. At most `max_count` elements go in one message.
  MpiCollectives(const mpi::Communicator& comm, std::int64_t max_count);

  int rank() const noexcept { return comm_.rank(); }
  int size() const noexcept { return comm_.size(); }

  void broadcast(std::byte* data, std::int64_t count, MpiElement element, int root) const;
  /// In place.
  void all_reduce(std::byte* data, std::int64_t count, MpiElement element, MPI_Op op) const;
  /// In place on `root`; elsewhere `data` is left as it was.
  void reduce(std::byte* data, std::int64_t count, MpiElement element, MPI_Op op, int root) const;
  /// Every rank gives `count` elements; `in` may be this rank's part of `out`.
  void all_gather(const std::byte* in, std::byte* out, std::int64_t count, MpiElement element) const;
  /// `out` counts on `root`.
  void gather(const std::byte* in, std::byte* out, std::int64_t count, MpiElement element, int root) const;
  /// `in` counts on `root`.
  void scatter(const std::byte* in, std::byte* out, std::int64_t count, MpiElement element, int root) const;
  /// Every rank gets `count` elements of the sum, formed in the order of ranks; `out` may be this rank's part
  /// of `in`.
  void reduce_scatter(const std::byte* in, std::byte* out, std::int64_t count, MpiElement element,
                      MPI_Op op) const;
  /// Part r of `in` goes to rank r; part s of `out` comes from rank s.
  void all_to_all(const std::byte* in, std::span<const std::int64_t> in_counts, std::byte* out,
                  std::span<const std::int64_t> out_counts, MpiElement element) const;
  void barrier() const { comm_.barrier(); }

 private:
  /// Calls `job(offset in bytes, count)` for pieces of [0, count).
  template <typename F>
  void in_pieces(std::int64_t count, MpiElement element, F job) const;
  void exchange_and_sum(std::byte* data, std::int64_t count, MpiElement element, MPI_Op op) const;
  void reserve(std::size_t bytes) const;
  void send(const std::byte* data, std::int64_t count, MpiElement element, int to) const;
  void receive(std::byte* data, std::int64_t count, MpiElement element, int from) const;

  mpi::Communicator comm_;
  std::int64_t max_count_;
  mutable std::vector<std::byte> received_;  ///< of sums, kept
};

}  // namespace terramill::parallel
