#include "threshold.hpp"

#include <algorithm>

namespace terramill::sampling {
namespace {

constexpr std::size_t kDigits = 256;

/// Moves `remaining` from a rank within the histogram to a rank within the digit that holds it, which is
/// returned.
std::uint64_t descend(std::span<const std::uint64_t> histogram, std::uint64_t& remaining) {
  std::uint64_t digit = 0;
  while (digit + 1 < kDigits && remaining > histogram[digit]) remaining -= histogram[digit++];
  return digit;
}

std::uint64_t digit_of(std::uint64_t key, int shift) { return (key >> shift) & (kDigits - 1); }

}  // namespace

std::vector<Threshold> find_thresholds(const mpi::Communicator& comm, std::span<const std::uint64_t> keys,
                                       std::span<const std::uint8_t> groups, std::size_t group_count,
                                       std::span<const Target> targets) {
  const auto group_of = [&](std::size_t i) -> std::size_t { return groups.empty() ? 0 : groups[i]; };
  constexpr int kTop = 56;

  std::vector<std::uint64_t> histogram(group_count * kDigits);
  for (std::size_t i = 0; i < keys.size(); ++i) ++histogram[group_of(i) * kDigits + digit_of(keys[i], kTop)];
  comm.sum(std::span(histogram));

  std::vector<Threshold> found(targets.size());
  std::vector<std::uint64_t> remaining(targets.size());
  std::vector<std::vector<std::size_t>> wanted(group_count * kDigits);  // targets per group and first digit
  for (std::size_t t = 0; t < targets.size(); ++t) {
    remaining[t] = targets[t].count;
    const std::size_t group = targets[t].group * kDigits;
    const std::uint64_t digit = descend(std::span(histogram).subspan(group, kDigits), remaining[t]);
    found[t].key = digit << kTop;
    wanted[group + digit].push_back(t);
  }
  std::vector<std::vector<std::uint64_t>> candidates(targets.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (const std::size_t t : wanted[group_of(i) * kDigits + digit_of(keys[i], kTop)]) {
      candidates[t].push_back(keys[i]);
    }
  }

  histogram.resize(targets.size() * kDigits);
  for (int shift = kTop - 8; shift >= 0; shift -= 8) {
    std::fill(histogram.begin(), histogram.end(), 0);
    for (std::size_t t = 0; t < targets.size(); ++t) {
      for (const std::uint64_t key : candidates[t]) ++histogram[t * kDigits + digit_of(key, shift)];
    }
    comm.sum(std::span(histogram));
    for (std::size_t t = 0; t < targets.size(); ++t) {
      const auto digit = descend(std::span(histogram).subspan(t * kDigits, kDigits), remaining[t]);
      found[t].key |= digit << shift;
      std::erase_if(candidates[t], [&](std::uint64_t key) { return digit_of(key, shift) != digit; });
    }
  }

  std::vector<std::uint64_t> before(targets.size());
  for (std::size_t t = 0; t < targets.size(); ++t) before[t] = candidates[t].size();
  comm.exclusive_scan(std::span(before));
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const std::uint64_t left = remaining[t] - std::min(remaining[t], before[t]);
    found[t].ties = std::min<std::uint64_t>(left, candidates[t].size());
  }
  return found;
}

}  // namespace terramill::sampling
