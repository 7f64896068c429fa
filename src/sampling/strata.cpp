#include <terramill/core/error.hpp>
#include <terramill/geo/land_cover.hpp>
#include <terramill/sampling/strata.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace terramill::sampling {

std::string name_of(const Stratum& stratum) {
  if (stratum.land_cover < 0) return "all tiles";
  std::string name(geo::land_cover_classes().at(static_cast<std::size_t>(stratum.land_cover)).name);
  if (stratum.biome == -1) return name + ", biome unknown";
  return stratum.biome < 0 ? name : name + ", biome " + std::to_string(stratum.biome);
}

int dominant_class(std::span<const std::uint32_t> histogram) noexcept {
  return static_cast<int>(std::max_element(histogram.begin(), histogram.end()) - histogram.begin());
}

std::vector<std::uint64_t> apportion(std::span<const std::uint64_t> available, double beta,
                                     std::uint64_t total) {
  std::vector<std::uint64_t> quota(available.size(), 0);
  const auto tiles = std::accumulate(available.begin(), available.end(), std::uint64_t{0});
  if (total == 0) return quota;
  if (tiles == 0) throw UsageError("no stratum has a tile", {"divide the quota among strata", "", ""});

  std::vector<double> weight(available.size(), 0.0);
  for (std::size_t s = 0; s < weight.size(); ++s) {
    const double share = static_cast<double>(available[s]) / static_cast<double>(tiles);
    if (available[s] > 0) weight[s] = std::pow(share, beta);
  }
  const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);

  std::vector<double> fraction(weight.size(), 0.0);
  std::vector<std::size_t> order;
  std::uint64_t given = 0;
  for (std::size_t s = 0; s < weight.size(); ++s) {
    if (available[s] == 0) continue;
    const double exact = static_cast<double>(total) * (weight[s] / sum);
    quota[s] = std::min(static_cast<std::uint64_t>(exact), total - given);
    fraction[s] = exact - std::floor(exact);
    given += quota[s];
    order.push_back(s);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return fraction[a] > fraction[b]; });
  for (std::size_t next = 0; given < total; next = (next + 1) % order.size(), ++given) ++quota[order[next]];
  return quota;
}

}  // namespace terramill::sampling
