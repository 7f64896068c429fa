#include "least_squares.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

namespace terramill::report {

namespace {

using Matrix = std::vector<std::vector<double>>;

constexpr double kSingular = 1e-9;  // of a pivot, in columns of length 1
constexpr double kBetter = 1 - 1e-9;

/// Gauss elimination with pivoting; nothing for a matrix that is singular.
std::optional<std::vector<double>> solve(Matrix a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t k = i + 1; k < n; ++k) {
      if (std::abs(a[k][i]) > std::abs(a[pivot][i])) pivot = k;
    }
    if (std::abs(a[pivot][i]) < kSingular) return std::nullopt;
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    for (std::size_t k = i + 1; k < n; ++k) {
      const double factor = a[k][i] / a[i][i];
      for (std::size_t j = i; j < n; ++j) a[k][j] -= factor * a[i][j];
      b[k] -= factor * b[i];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = i + 1; j < n; ++j) b[i] -= a[i][j] * b[j];
    b[i] /= a[i][i];
  }
  return b;
}

}  // namespace

std::vector<double> non_negative_least_squares(const std::vector<std::vector<double>>& rows,
                                               const std::vector<double>& right,
                                               const std::vector<double>& weights) {
  const std::size_t unknowns = rows.empty() ? 0 : rows.front().size();
  std::vector<double> length(unknowns, 0), best(unknowns, 0);
  double least = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < unknowns; ++i) length[i] += std::pow(weights[r] * rows[r][i], 2);
    least += std::pow(weights[r] * right[r], 2);
  }
  for (double& one : length) one = std::sqrt(one);

  // By the number of unknowns that are not 0, so that fewer win where the error is the same.
  for (std::size_t count = 1; count <= unknowns; ++count) {
    for (std::size_t choice = 1; choice < std::size_t{1} << unknowns; ++choice) {
      if (static_cast<std::size_t>(std::popcount(choice)) != count) continue;
      std::vector<std::size_t> used;
      for (std::size_t i = 0; i < unknowns; ++i) {
        if ((choice >> i & 1U) != 0 && length[i] > 0) used.push_back(i);
      }
      if (used.size() != count) continue;
      Matrix normal(count, std::vector<double>(count, 0));
      std::vector<double> projected(count, 0);
      for (std::size_t r = 0; r < rows.size(); ++r) {
        const auto scaled = [&](std::size_t i) { return weights[r] * rows[r][used[i]] / length[used[i]]; };
        for (std::size_t i = 0; i < count; ++i) {
          projected[i] += scaled(i) * weights[r] * right[r];
          for (std::size_t j = 0; j < count; ++j) normal[i][j] += scaled(i) * scaled(j);
        }
      }
      const auto solution = solve(std::move(normal), std::move(projected));
      if (!solution) continue;
      std::vector<double> x(unknowns, 0);
      bool feasible = true;
      for (std::size_t i = 0; i < count; ++i) {
        x[used[i]] = (*solution)[i] / length[used[i]];
        feasible = feasible && x[used[i]] >= 0;
      }
      if (!feasible) continue;
      double error = 0;
      for (std::size_t r = 0; r < rows.size(); ++r) {
        double difference = -right[r];
        for (std::size_t i = 0; i < unknowns; ++i) difference += rows[r][i] * x[i];
        error += std::pow(weights[r] * difference, 2);
      }
      if (error < least * kBetter) {
        least = error;
        best = std::move(x);
      }
    }
  }
  return best;
}

}  // namespace terramill::report
