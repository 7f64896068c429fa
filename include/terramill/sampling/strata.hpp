#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::sampling {

/// A class of tiles that share a quota.
struct Stratum {
  int land_cover = -1;          ///< dominant class 0 … 11 (corpus::kLandCoverClasses); -1: any
  int biome = -2;               ///< 0 … 13, -1 unknown; -2: any
  std::uint64_t available = 0;  ///< eligible tiles
  std::uint64_t quota = 0;      ///< positions of the epoch
  std::uint64_t reserve = 0;    ///< positions of the reserve

  /// How often its most used tile occurs among the quota's positions.
  std::uint64_t repeats() const noexcept { return available == 0 ? 0 : (quota + available - 1) / available; }
  bool operator==(const Stratum&) const = default;
};

/// "Tree cover", "Tree cover, biome 3", "all tiles".
std::string name_of(const Stratum& stratum);

/// The class with most pixels; of equal ones the lowest. 0 ("none or ocean") for a histogram of zeros.
int dominant_class(std::span<const std::uint32_t> histogram) noexcept;

/// Divides `total` among strata in proportion to f^beta, f = available / sum(available), exactly, by the
/// method of largest remainders (Hamilton): floors first, then one each to the largest fractions, of equal
/// ones the lowest index. A stratum without tiles gets 0. UsageError when `total` > 0 and every stratum is
/// empty.
std::vector<std::uint64_t> apportion(std::span<const std::uint64_t> available, double beta,
                                     std::uint64_t total);

}  // namespace terramill::sampling
