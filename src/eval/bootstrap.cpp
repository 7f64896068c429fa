#include <terramill/core/philox.hpp>
#include <terramill/eval/bootstrap.hpp>

#include <algorithm>
#include <cmath>

namespace terramill::eval {

namespace {

/// The method's metrics, averaged over its seeds.
std::vector<double> value_of(const Method& method, std::span<const std::uint32_t> times) {
  std::vector<double> mean;
  for (const Answers& answers : method) {
    const std::vector<double> values = metrics(answers, times);
    mean.resize(values.size(), 0);
    for (std::size_t m = 0; m < values.size(); ++m) mean[m] += values[m] / static_cast<double>(method.size());
  }
  return mean;
}

/// numpy.percentile: linear interpolation. `sorted` is not empty.
double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Estimate estimate(double mean, std::vector<double> resampled) {
  std::erase_if(resampled, [](double value) { return std::isnan(value); });
  if (resampled.empty()) return {mean, mean, mean};
  std::sort(resampled.begin(), resampled.end());
  return {mean, percentile(resampled, 0.025), percentile(resampled, 0.975)};
}

}  // namespace

Bootstrap::Bootstrap(const std::vector<Method>& methods, int resamples, std::uint64_t seed) {
  for (const Method& method : methods) {
    values_.push_back(value_of(method, {}));
    resampled_.emplace_back(values_.back().size());
  }
  const auto tiles = static_cast<std::size_t>(methods.at(0).at(0).tiles);
  std::vector<std::uint32_t> times(tiles);
  for (int r = 0; r < resamples; ++r) {
    std::fill(times.begin(), times.end(), 0u);
    PhiloxStream random(seed, Purpose::kBootstrap, static_cast<std::uint64_t>(r));
    for (std::size_t i = 0; i < tiles; ++i) ++times[random.below(tiles)];
    for (std::size_t method = 0; method < methods.size(); ++method) {
      const std::vector<double> values = value_of(methods[method], times);
      for (std::size_t m = 0; m < values.size(); ++m) resampled_[method][m].push_back(values[m]);
    }
  }
}

std::vector<Estimate> Bootstrap::of(std::size_t method) const {
  std::vector<Estimate> result;
  for (std::size_t m = 0; m < values_[method].size(); ++m) {
    result.push_back(estimate(values_[method][m], resampled_[method][m]));
  }
  return result;
}

std::vector<Estimate> Bootstrap::difference(std::size_t method, std::size_t baseline) const {
  std::vector<Estimate> result;
  for (std::size_t m = 0; m < values_[method].size(); ++m) {
    std::vector<double> gaps = resampled_[method][m];
    for (std::size_t r = 0; r < gaps.size(); ++r) gaps[r] -= resampled_[baseline][m][r];
    result.push_back(estimate(values_[method][m] - values_[baseline][m], std::move(gaps)));
  }
  return result;
}

}  // namespace terramill::eval
