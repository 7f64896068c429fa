#pragma once

#include <cstdint>

namespace terramill::sampling {

/// First of the items that `rank` of `size` owns among `total` in contiguous slices.
inline std::uint64_t slice_begin(std::uint64_t total, int size, int rank) noexcept {
  const auto parts = static_cast<std::uint64_t>(size), part = static_cast<std::uint64_t>(rank);
  return total / parts * part + total % parts * part / parts;
}

/// The rank whose slice holds `item` < `total`.
inline int slice_owner(std::uint64_t total, int size, std::uint64_t item) noexcept {
  int low = 0, high = size - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (slice_begin(total, size, middle) <= item) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace terramill::sampling
