#include "square_sum.hpp"

#include "gradient_layout.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <ATen/Parallel.h>
#include <ATen/ops/constant_pad_nd.h>

namespace terramill::parallel {

namespace {

constexpr std::int64_t kLanes = 16;  // sums side by side within a block
constexpr std::int64_t kGrain = 16;  // blocks worth a thread

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
void sums_of(const T* values, std::int64_t count, double* sums) {
  at::parallel_for(0, (count + kBlock - 1) / kBlock, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      sums[b] = block_sum(values + b * kBlock, std::min(kBlock, count - b * kBlock));
    }
  });
}

}  // namespace

void block_square_sums(const at::Tensor& values, double* sums) {
  const std::int64_t count = values.numel();
  if (!values.device().is_cpu()) {
    const at::Tensor padded =
        at::constant_pad_nd(values.flatten(), {0, (kBlock - count % kBlock) % kBlock}).view({-1, kBlock});
    const at::Tensor by_block = padded.to(at::kDouble).square().sum(1).cpu();
    std::copy_n(by_block.const_data_ptr<double>(), by_block.numel(), sums);
  } else if (values.scalar_type() == at::kDouble) {
    sums_of(values.const_data_ptr<double>(), count, sums);
  } else {
    sums_of(values.const_data_ptr<float>(), count, sums);
  }
}

}  // namespace terramill::parallel
