#pragma once

// Template bodies of communicator.hpp; included by it only.

#include <terramill/core/error.hpp>

#include <exception>
#include <limits>
#include <type_traits>

namespace terramill::mpi {

namespace detail {
void throw_peer_failure(int rank, const std::string& text);
}  // namespace detail

template <typename T>
std::vector<T> Communicator::all_to_all(const std::vector<std::vector<T>>& send) const {
  static_assert(std::is_trivially_copyable_v<T>);
  // Rounds of pairwise exchanges: rank + r gets ours while rank - r sends its own. Any size, one message per
  // piece.
  std::vector<std::vector<T>> received(static_cast<std::size_t>(size_));
  constexpr std::size_t kPiece = (std::size_t{1} << 30) / sizeof(T);
  for (int round = 0; round < size_; ++round) {
    const int to = (rank_ + round) % size_, from = (rank_ - round + size_) % size_;
    const std::vector<T>& out = send.at(static_cast<std::size_t>(to));
    std::vector<T>& in = received[static_cast<std::size_t>(from)];
    if (to == rank_) {
      in = out;
      continue;
    }
    std::uint64_t out_count = out.size(), in_count = 0;
    check(MPI_Sendrecv(&out_count, 1, MPI_UINT64_T, to, 0, &in_count, 1, MPI_UINT64_T, from, 0, comm_,
                       MPI_STATUS_IGNORE),
          "exchange sizes");
    in.resize(in_count);
    // A piece travels only where there is one: the two neighbours of a round differ in number of pieces.
    for (std::size_t begin = 0; begin < std::max<std::uint64_t>(out_count, in_count); begin += kPiece) {
      const auto length = [&](std::uint64_t count) {
        return begin < count ? static_cast<int>(std::min<std::uint64_t>(kPiece, count - begin) * sizeof(T))
                             : 0;
      };
      const bool sends = begin < out_count, receives = begin < in_count;
      check(MPI_Sendrecv(sends ? out.data() + begin : nullptr, length(out_count), MPI_BYTE,
                         sends ? to : MPI_PROC_NULL, 1, receives ? in.data() + begin : nullptr,
                         length(in_count), MPI_BYTE, receives ? from : MPI_PROC_NULL, 1, comm_,
                         MPI_STATUS_IGNORE),
            "exchange data");
    }
  }
  std::vector<T> all;
  for (const std::vector<T>& part : received) all.insert(all.end(), part.begin(), part.end());
  return all;
}

namespace detail {

/// all_or_none over what has rank(), min(int) and broadcast(text, root).
template <typename Ranks, typename F>
void all_or_none_over(const Ranks& ranks, F&& job) {
  std::exception_ptr own;
  std::string text;
  try {
    job();
  } catch (const std::exception& error) {
    own = std::current_exception();
    text = error.what();
  }
  constexpr int kNone = std::numeric_limits<int>::max();
  const int first = ranks.min(own ? ranks.rank() : kNone);
  if (first == kNone) return;
  text = ranks.broadcast(text, first);
  if (own) std::rethrow_exception(own);
  throw_peer_failure(first, text);
}

}  // namespace detail

template <typename F>
void all_or_none(const Communicator& comm, F&& job) {
  detail::all_or_none_over(comm, std::forward<F>(job));
}

}  // namespace terramill::mpi
