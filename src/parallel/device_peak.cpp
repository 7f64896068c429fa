#include <terramill/core/error.hpp>
#include <terramill/parallel/data_sheet.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/device_peak.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>

#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

namespace terramill::parallel {

namespace {

/// As data_sheet.hpp names precisions; empty for a type of which data sheets tell nothing.
std::string precision_of(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "float64";
    case at::kFloat:
      return "float32";
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    default:
      return "";
  }
}

}  // namespace

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
  if (source == "auto") return data_sheet_peak(device_name(device), precision_of(type));
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
