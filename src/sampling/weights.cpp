#include "weights.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace terramill::sampling {
namespace {

// Every weight and key is one correctly rounded division of integers or of a result of one, so that no
// compiler can contract it and every machine gives the same bits.
__extension__ using Wide = unsigned __int128;

constexpr int kFraction = 56;
constexpr double kLog2Of12 = 3.584962500721156;
constexpr double kLeastDiversity = 0.05;

std::uint64_t sum(Histogram histogram) noexcept {
  return std::accumulate(histogram.begin(), histogram.end(), std::uint64_t{0});
}

}  // namespace

std::uint64_t log2_fixed(std::uint64_t n) noexcept {
  const int whole = std::bit_width(n) - 1;
  std::uint64_t x = n << (63 - whole);  // in [1, 2), in units of 2^-63
  auto result = static_cast<std::uint64_t>(whole);
  for (int bit = 0; bit < kFraction; ++bit) {
    const Wide square = static_cast<Wide>(x) * x;  // in [1, 4), in units of 2^-126
    const bool two = (square >> 127) != 0;
    x = static_cast<std::uint64_t>(square >> (two ? 64 : 63));
    result = result << 1 | (two ? 1 : 0);
  }
  return result;
}

std::uint64_t weighted_key(std::uint64_t x, double weight) noexcept {
  const std::uint64_t odd = 2 * (x >> 12) + 1;
  const std::uint64_t minus_log = (std::uint64_t{53} << kFraction) - log2_fixed(odd);
  return std::bit_cast<std::uint64_t>(std::ldexp(static_cast<double>(minus_log), -kFraction) / weight);
}

ClassPixels composition_factors(const ClassPixels& pixels, double beta) {
  const auto total = static_cast<double>(std::accumulate(pixels.begin(), pixels.end(), std::uint64_t{0}));
  std::array<double, corpus::kLandCoverClasses> power{};
  for (std::size_t c = 0; c < pixels.size(); ++c) {
    if (pixels[c] > 0) power[c] = std::pow(static_cast<double>(pixels[c]) / total, beta - 1);
  }
  const double largest = *std::max_element(power.begin(), power.end());
  ClassPixels factors{};
  for (std::size_t c = 0; c < pixels.size(); ++c) {
    if (pixels[c] == 0) continue;
    factors[c] = std::max<std::uint64_t>(1, std::llround(std::ldexp(power[c] / largest, 32)));
  }
  return factors;
}

double composition_weight(Histogram histogram, const ClassPixels& factors) noexcept {
  const std::uint64_t total = sum(histogram);
  if (total == 0) return static_cast<double>(factors[0]);
  Wide weighted = 0;
  for (std::size_t c = 0; c < histogram.size(); ++c) weighted += static_cast<Wide>(histogram[c]) * factors[c];
  return static_cast<double>(weighted) / static_cast<double>(total);
}

double diversity_weight(Histogram histogram) noexcept {
  const std::uint64_t total = sum(histogram);
  if (total == 0) return kLeastDiversity;
  // H(h) = log2(n) - sum(n_c log2(n_c)) / n, here times n.
  Wide entropy = static_cast<Wide>(total) * log2_fixed(total), classes = 0;
  for (const std::uint32_t pixels : histogram) {
    if (pixels > 0) classes += static_cast<Wide>(pixels) * log2_fixed(pixels);
  }
  entropy = entropy > classes ? entropy - classes : 0;
  const double bits = std::ldexp(static_cast<double>(entropy) / static_cast<double>(total), -kFraction);
  return kLeastDiversity + bits / kLog2Of12;
}

}  // namespace terramill::sampling
