#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/parallel/bucket_size.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace terramill::parallel {

namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kLarge = 8 * kMiB;
constexpr int kRepeats = 5;
constexpr double kLatencyShare = 0.05;
constexpr std::int64_t kDefault = 25;
constexpr std::int64_t kMost = 4096;

/// The median of some all-reduces of `bytes`, seconds.
double time_of(const Mesh& mesh, std::int64_t bytes) {
  std::vector<at::Tensor> tensors{
      at::zeros({std::max<std::int64_t>(bytes / 4, 1)}, at::device(mesh.device()).dtype(at::kFloat))};
  std::vector<double> seconds;
  for (int repeat = 0; repeat <= kRepeats; ++repeat) {
    mesh.dp_comm().barrier();
    const auto start = std::chrono::steady_clock::now();
    mesh.dp_group()->allreduce(tensors)->wait();
    if (!mesh.device().is_cpu()) tensors[0][0].item<float>();  // until it is there
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (repeat > 0) seconds.push_back(elapsed.count());  // the first sets up connections
  }
  std::ranges::nth_element(seconds, seconds.begin() + kRepeats / 2);
  return seconds[kRepeats / 2];
}

}  // namespace

LinkSpeed measure_link(const Mesh& mesh) {
  const double small = mesh.world().max(time_of(mesh, 4)), large = mesh.world().max(time_of(mesh, kLarge));
  return {small, static_cast<double>(kLarge) / std::max(large - small, 1e-9)};
}

std::int64_t bucket_for(const LinkSpeed& speed) {
  const double bytes = speed.seconds * speed.bytes_per_second * (1 / kLatencyShare - 1);
  const double power = std::exp2(std::ceil(std::log2(std::max(bytes / static_cast<double>(kMiB), 1.0))));
  return static_cast<std::int64_t>(std::clamp(power, 1.0, 64.0)) * kMiB;
}

std::int64_t bucket_bytes(const Mesh& mesh, const std::string& text) {
  if (text == "auto") {
    if (mesh.dp() == 1) return kDefault * kMiB;
    const LinkSpeed speed = measure_link(mesh);
    const std::int64_t bytes = bucket_for(speed);
    log::info("replicas reduce {:.1f} MiB/s after {:.0f} microseconds: buckets of {} MiB",
              speed.bytes_per_second / static_cast<double>(kMiB), 1e6 * speed.seconds, bytes / kMiB);
    return bytes;
  }
  std::int64_t mib = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mib);
  if (error != std::errc() || end != text.data() + text.size() || mib < 1 || mib > kMost) {
    throw UsageError("\"" + text + "\" is no size of a bucket",
                     {"read the configuration", "train.bucket", "give auto or MiB from 1 to 4096"});
  }
  return mib * kMiB;
}

}  // namespace terramill::parallel
