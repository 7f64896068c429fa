// Memory and time of one micro-batch, forward and backward, on one thread, in the forms that a run can
// choose: what is allocated at the peak besides parameters and gradients, the estimate's ratio to it, and
// seconds. MP-MAE atto with the twelve official targets; TerraFM of width 384 and depth 12 with all sensors
// and three crop sizes.

#include "support/memory_meter.hpp"

#include <terramill/model/activation_memory.hpp>
#include <terramill/model/dino.hpp>
#include <terramill/model/masking.hpp>
#include <terramill/model/mpmae.hpp>
#include <terramill/model/precision.hpp>
#include <terramill/model/terrafm.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr int kRepetitions = 3;

struct Free final : torch::autograd::PostAccumulateGradHook {
  void operator()(const torch::autograd::Variable& tensor) override { tensor.mutable_grad().reset(); }
};

/// Runs every form and prints a line for each.
void run(const std::string& name, torch::nn::Module& net, const std::function<void(bool)>& recompute,
         const std::function<at::Tensor()>& loss,
         const std::function<ActivationBytes(const ComputeForm&)>& estimate) {
  for (const at::Tensor& parameter : net.parameters()) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<Free>());
  }
  for (const bool bfloat16 : {false, true}) {
    for (const bool again : {false, true}) {
      ComputeForm form;
      form.bfloat16 = bfloat16;
      form.recompute = again;
      recompute(again);
      std::int64_t peak = 0;
      std::vector<double> seconds;
      for (int i = 0; i < kRepetitions; ++i) {
        const testing::MemoryMeter meter;
        const auto start = std::chrono::steady_clock::now();
        at::Tensor total;
        {
          const Bfloat16Scope precision(c10::kCPU, bfloat16);
          total = loss();
        }
        total.backward();
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        peak = meter.peak();
      }
      std::sort(seconds.begin(), seconds.end());
      const ActivationBytes expected = estimate(form);
      std::printf("%-8s %-8s checkpointing %-3s  peak %8.1f MiB  estimate / peak %.2f  %.3f s\n",
                  name.c_str(), bfloat16 ? "bf16" : "float32", again ? "on" : "off",
                  static_cast<double>(peak) / (1 << 20),
                  static_cast<double>(expected.kept + expected.transient) / static_cast<double>(peak),
                  seconds[seconds.size() / 2]);
    }
  }
}

void run_mpmae() {
  constexpr std::int64_t kSamples = 16, kSize = 56;
  MpmaeConfig config;
  config.targets = mmearth_targets();
  Mpmae net(config);
  net.initialise(1);
  MpmaeBatch batch;
  batch.input = at::randn({kSamples, config.in_channels, kSize, kSize});
  batch.mask = mask_from_noise(at::randn({kSamples, 49}), 0.6);
  for (const MpmaeTarget& target : config.targets) {
    switch (target.kind) {
      case TargetKind::kContinuousPixel:
        batch.targets.push_back(at::randn({kSamples, target.channels, kSize, kSize}));
        break;
      case TargetKind::kCategoricalPixel:
        batch.targets.push_back(at::randint(target.channels, {kSamples, 1, kSize, kSize}, at::kLong));
        break;
      case TargetKind::kContinuousImage:
        batch.targets.push_back(at::randn({kSamples, target.channels}));
        break;
      case TargetKind::kCategoricalImage:
        batch.targets.push_back(
            at::one_hot(at::randint(target.channels, {kSamples}, at::kLong), target.channels));
        break;
    }
  }
  run(
      "mpmae", net, [&](bool on) { net.recompute_blocks(on); }, [&] { return net.forward(batch).total; },
      [&](const ComputeForm& form) { return mpmae_activations(config, kSamples, kSize, 0.6, form); });
}

void run_terrafm() {
  constexpr std::int64_t kSamples = 2, kLocal = 4;
  TerrafmConfig config = terrafm_size("small");
  struct Student : torch::nn::Module {
    explicit Student(const TerrafmConfig& of)
        : backbone(register_module("backbone", std::make_shared<Terrafm>(of))),
          head(register_module("head",
                               std::make_shared<DinoHead>(DinoHeadConfig{of.embed_dim, 2048, 256, 4096}))) {}
    std::shared_ptr<Terrafm> backbone;
    std::shared_ptr<DinoHead> head;
  };
  Student net(config);
  net.backbone->initialise(1);
  net.head->initialise(1);
  const std::vector<Sensor> sensors{Sensor::kS1, Sensor::kS2L2a, Sensor::kS2L1c};
  const auto images = [&](std::int64_t samples, std::int64_t size) {
    SensorImages result;
    for (const Sensor sensor : sensors) {
      result[sensor] = at::randn({samples, kSensorBands[static_cast<std::size_t>(sensor)], size, size});
    }
    return result;
  };
  const SensorImages global = images(2 * kSamples, 224), local = images(kLocal * kSamples, 96);
  const at::Tensor teacher = at::randn({2 * kSamples, 4096}), shift = at::zeros({1, 4096});
  run(
      "terrafm", net, [&](bool on) { net.backbone->recompute_blocks(on); },
      [&] {
        const at::Tensor features = at::cat({net.backbone->forward(global), net.backbone->forward(local)});
        return dino_loss(net.head->forward(features), teacher, shift, 0.1, 0.04);
      },
      [&](const ComputeForm& form) {
        ActivationBytes sum = terrafm_activations(config, 2 * kSamples, 224, sensors, form);
        for (const ActivationBytes& part : {terrafm_activations(config, kLocal * kSamples, 96, sensors, form),
                                            dino_activations(kSamples, 2 + kLocal, 2048, 256, 4096, form)}) {
          sum.kept += part.kept;
          sum.transient = std::max(sum.transient, part.transient);
        }
        return sum;
      });
}

}  // namespace
}  // namespace terramill::model

int main() {
  at::set_num_threads(1);
  at::manual_seed(1);
  terramill::model::run_mpmae();
  terramill::model::run_terrafm();
}
