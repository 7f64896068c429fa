#pragma once

#include <terramill/eval/metrics.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace terramill::eval {

/// Answers of one method over its seeds, compared with others on the same tiles.
using Method = std::vector<Answers>;

/// A mean and its bootstrap percentile interval.
struct Estimate {
  double mean = 0, low = 0, high = 0;
};

/// Bootstrap over test tiles (Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics
/// 7, 1979): resample r takes as many tiles as there are, with replacement, from Philox(seed, kBootstrap, r);
/// all methods and seeds see the same ones. A method's value is its mean over seeds.
class Bootstrap {
 public:
  /// `resamples` 0: no intervals (low = high = mean).
  Bootstrap(const std::vector<Method>& methods, int resamples, std::uint64_t seed);

  /// Per metric, with the 2.5 and 97.5 percentiles (linear interpolation).
  std::vector<Estimate> of(std::size_t method) const;
  /// Per metric, of `method` minus `baseline`, paired.
  std::vector<Estimate> difference(std::size_t method, std::size_t baseline) const;

 private:
  std::vector<std::vector<double>> values_;                  ///< [method][metric] on the tiles themselves
  std::vector<std::vector<std::vector<double>>> resampled_;  ///< [method][metric][resample]
};

}  // namespace terramill::eval
