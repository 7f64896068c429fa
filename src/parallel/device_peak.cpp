#include <terramill/core/error.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/device_peak.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string_view>

#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

namespace terramill::parallel {

namespace {

/// TFLOP/s; 0 where the device has no such unit, or its data sheet no such number. float64 is that of the
/// tensor cores where there are any, which cuBLAS uses; half precision is without sparsity.
struct Row {
  std::string_view name;  ///< what the device's name contains; the first that fits counts
  double float64, float32, bfloat16, float16;
};

// NVIDIA's data sheets: H100 and H100 NVL (2024), H200 (2024), GH200 (2024), A100 (2022), V100 (2020), V100S
// (2020), L40S (2023).
constexpr std::array<Row, 11> kRows{{
    {"GH200", 67, 67, 989.5, 989.5},
    {"H200 NVL", 60, 60, 835.5, 835.5},
    {"H200", 67, 67, 989.5, 989.5},
    {"H100 NVL", 60, 60, 835.5, 835.5},
    {"H100 PCIe", 51, 51, 756.5, 756.5},
    {"H100", 67, 67, 989.5, 989.5},
    {"A100", 19.5, 19.5, 312, 312},
    {"V100S-PCIE", 8.2, 16.4, 0, 130},
    {"V100-PCIE", 7, 14, 0, 112},
    {"V100-SXM2", 7.8, 15.7, 0, 125},
    {"L40S", 0, 91.6, 362.05, 362.05},
}};

double rate_of(const Row& row, at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return row.float64;
    case at::kFloat:
      return row.float32;
    case at::kBFloat16:
      return row.bfloat16;
    case at::kHalf:
      return row.float16;
    default:
      return 0;
  }
}

}  // namespace

std::optional<double> data_sheet_peak(const std::string& device, at::ScalarType type) {
  const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& known) {
    return device.find(known.name) != std::string::npos;
  });
  if (row == kRows.end() || rate_of(*row, type) == 0) return std::nullopt;
  return rate_of(*row, type) * 1e12;
}

double measure_peak(c10::Device device, at::ScalarType type) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kLength{150};
  const std::int64_t side = device.is_cpu() ? 512 : 8192;
  const at::Tensor a = at::ones({side, side}, at::device(device).dtype(type)), b = a.clone();
  at::Tensor product = at::mm(a, b);
  product[0][0].item<double>();  // waits for a GPU
  double best = 0;
  for (const Clock::time_point start = Clock::now(); Clock::now() - start < kLength;) {
    const Clock::time_point begin = Clock::now();
    at::mm_out(product, a, b);
    product[0][0].item<double>();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const auto n = static_cast<double>(side);
    best = std::max(best, 2 * n * n * n / seconds);
  }
  return best;
}

std::optional<double> peak_of(const std::string& source, c10::Device device, at::ScalarType type) {
  if (source == "auto") return data_sheet_peak(device_name(device), type);
  if (source == "measure") return measure_peak(device, type);
  double tera = 0;
  const char* const end = source.data() + source.size();
  const auto [stop, fault] = std::from_chars(source.data(), end, tera);
  if (fault != std::errc() || stop != end || !(tera > 0)) {
    throw UsageError("\"" + source + "\" is no peak rate",
                     {"choose the peak rate", "train.peak", "give auto, measure or TFLOP/s per rank"});
  }
  return tera * 1e12;
}

}  // namespace terramill::parallel
