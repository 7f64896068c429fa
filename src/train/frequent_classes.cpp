#include <terramill/corpus/index.hpp>
#include <terramill/sampling/strata.hpp>
#include <terramill/train/frequent_classes.hpp>

#include <algorithm>
#include <numeric>

namespace terramill::train {

std::array<bool, corpus::kLandCoverClasses> frequent_classes(
    const std::array<std::uint64_t, corpus::kLandCoverClasses>& counts, double share) {
  std::array<std::size_t, corpus::kLandCoverClasses> order{};
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return counts[a] > counts[b]; });
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
  std::array<bool, corpus::kLandCoverClasses> frequent{};
  std::uint64_t held = 0;
  for (const std::size_t c : order) {
    if (counts[c] == 0 || static_cast<double>(held) >= share * total) break;
    frequent[c] = true;
    held += counts[c];
  }
  return frequent;
}

FrequentTiles::FrequentTiles(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                             double share) {
  const corpus::IndexReader index(corpus / "index.h5");
  const auto size = static_cast<std::uint64_t>(comm.size()), rank = static_cast<std::uint64_t>(comm.rank());
  const std::uint64_t begin = index.rows() * rank / size, end = index.rows() * (rank + 1) / size;
  constexpr std::uint64_t kBlock = 1 << 20;
  std::vector<std::uint8_t> mine;
  std::array<std::uint64_t, corpus::kLandCoverClasses> counts{};
  for (std::uint64_t row = begin; row < end; row += kBlock) {
    const auto columns = index.read(row, std::min(kBlock, end - row), corpus::kLandCover | corpus::kSplit);
    for (std::uint64_t i = 0; i < columns.count; ++i) {
      const int dominant = sampling::dominant_class(
          std::span(columns.land_cover).subspan(i * corpus::kLandCoverClasses, corpus::kLandCoverClasses));
      mine.push_back(static_cast<std::uint8_t>(dominant));
      if (columns.split[i] == static_cast<std::uint8_t>(corpus::Split::kTrain)) {
        ++counts[static_cast<std::size_t>(dominant)];
      }
    }
  }
  comm.sum(std::span<std::uint64_t>(counts));
  classes_ = comm.all_gather(std::span<const std::uint8_t>(mine));
  frequent_ = frequent_classes(counts, share);
}

}  // namespace terramill::train
