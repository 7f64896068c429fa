#pragma once

// Template bodies of communicator.hpp; included by it only.

#include <terramill/core/error.hpp>

#include <cstring>
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
  std::vector<std::span<const std::byte>> parts;
  for (const std::vector<T>& part : send) parts.push_back(std::as_bytes(std::span(part)));
  std::vector<T> all;
  for (const std::vector<std::byte>& part : exchange(parts)) {
    const std::size_t begin = all.size();
    all.resize(begin + part.size() / sizeof(T));
    if (!part.empty()) std::memcpy(all.data() + begin, part.data(), part.size());
  }
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
