// Time of one MP-MAE micro-batch, forward and backward, on one thread: atto, 56 × 56, patch 8, the twelve
// official targets. `ms_per_image` is what to compare.

#include <terramill/model/masking.hpp>
#include <terramill/model/mpmae.hpp>

#include <cstdint>

#include <benchmark/benchmark.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr std::int64_t kSize = 56;

MpmaeBatch random_batch(const MpmaeConfig& config, std::int64_t samples) {
  at::manual_seed(1);
  MpmaeBatch batch;
  batch.input = at::randn({samples, config.in_channels, kSize, kSize});
  const std::int64_t side = kSize / config.patch_size;
  batch.mask = mask_from_noise(at::randn({samples, side * side}), 0.6);
  for (const MpmaeTarget& target : config.targets) {
    switch (target.kind) {
      case TargetKind::kContinuousPixel:
        batch.targets.push_back(at::randn({samples, target.channels, kSize, kSize}));
        break;
      case TargetKind::kCategoricalPixel:
        batch.targets.push_back(at::randint(target.channels, {samples, 1, kSize, kSize}, at::kLong));
        break;
      case TargetKind::kContinuousImage:
        batch.targets.push_back(at::randn({samples, target.channels}));
        break;
      case TargetKind::kCategoricalImage:
        batch.targets.push_back(
            at::one_hot(at::randint(target.channels, {samples}, at::kLong), target.channels));
        break;
    }
  }
  return batch;
}

void step(benchmark::State& state, bool backward) {
  at::set_num_threads(1);
  MpmaeConfig config;
  config.targets = mmearth_targets();
  Mpmae net(config);
  net.initialise(1);
  const std::int64_t samples = state.range(0);
  const MpmaeBatch batch = random_batch(config, samples);
  for (auto _ : state) {
    const auto output = net.forward(batch);
    if (backward) {
      output.total.backward();
      net.zero_grad();
    }
    benchmark::DoNotOptimize(output.total.item<float>());
  }
  state.counters["per_image"] =
      benchmark::Counter(static_cast<double>(samples),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void forward(benchmark::State& state) {
  const torch::NoGradGuard no_gradient;
  step(state, false);
}
void forward_backward(benchmark::State& state) { step(state, true); }

BENCHMARK(forward)->Arg(16)->Unit(benchmark::kMillisecond);
BENCHMARK(forward_backward)->Arg(4)->Arg(16)->Arg(32)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace terramill::model
