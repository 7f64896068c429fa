#pragma once

#include <terramill/corpus/tile.hpp>
#include <terramill/mpi/communicator.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace terramill::train {

/// The smallest set of classes, by decreasing count, whose count reaches `share` of all (spec/terrafm.md,
/// b.3); of equal counts the lower class first. Nothing for counts of 0.
std::array<bool, corpus::kLandCoverClasses> frequent_classes(
    const std::array<std::uint64_t, corpus::kLandCoverClasses>& counts, double share);

/// Which tiles of a corpus have a dominant land-cover class that is frequent among its training tiles. A
/// tile without land cover has class 0, none or ocean.
class FrequentTiles {
 public:
  /// Each rank reads its share of the index; all keep one byte per tile. Collective.
  FrequentTiles(const mpi::Communicator& comm, const std::filesystem::path& corpus, double share);

  bool operator()(std::uint64_t index_row) const {
    return frequent_[classes_.at(static_cast<std::size_t>(index_row))];
  }
  const std::array<bool, corpus::kLandCoverClasses>& classes() const noexcept { return frequent_; }

 private:
  std::vector<std::uint8_t> classes_;  // dominant class by index row
  std::array<bool, corpus::kLandCoverClasses> frequent_{};
};

}  // namespace terramill::train
