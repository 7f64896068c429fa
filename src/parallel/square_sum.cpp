#include "square_sum.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace terramill::parallel {

namespace {

constexpr std::int64_t kBlock = 1 << 14;  // elements summed in one go
constexpr std::int64_t kLanes = 16;       // sums side by side within a block

template <typename T>
double block_sum(const T* values, std::int64_t count) {
  std::array<double, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      lanes[static_cast<std::size_t>(lane)] += value * value;
    }
  }
  for (std::int64_t lane = 0; i < count; ++i, ++lane) {
    const auto value = static_cast<double>(values[i]);
    lanes[static_cast<std::size_t>(lane)] += value * value;
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

template <typename T>
double sum_of(const T* values, std::int64_t count) {
  const std::int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      sums[static_cast<std::size_t>(b)] =
          block_sum(values + b * kBlock, std::min(kBlock, count - b * kBlock));
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

}  // namespace

double square_sum(const at::Tensor& values) {
  if (!values.device().is_cpu()) {
    const auto norm = at::linalg_vector_norm(values, 2, c10::nullopt, false, at::kDouble).item<double>();
    return norm * norm;
  }
  if (values.scalar_type() == at::kDouble) return sum_of(values.const_data_ptr<double>(), values.numel());
  return sum_of(values.const_data_ptr<float>(), values.numel());
}

}  // namespace terramill::parallel
