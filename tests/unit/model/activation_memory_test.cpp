#include "small_model.hpp"
#include "support/memory_meter.hpp"

#include <terramill/model/activation_memory.hpp>
#include <terramill/model/precision.hpp>
#include <terramill/model/terrafm.hpp>

#include <functional>
#include <memory>
#include <tuple>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// How far an estimate may be from what is allocated, either way.
constexpr double kFactor = 1.5;

/// Frees gradients as they come, as a GradientBuffer does.
struct Free final : torch::autograd::PostAccumulateGradHook {
  void operator()(const torch::autograd::Variable& tensor) override { tensor.mutable_grad().reset(); }
};

/// The most memory that a forward and a backward pass take besides parameters, their gradients and the input.
std::int64_t measured(torch::nn::Module& net, const ComputeForm& form,
                      const std::function<at::Tensor()>& loss) {
  for (const at::Tensor& parameter : net.parameters()) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<Free>());
  }
  const testing::MemoryMeter meter;
  at::Tensor total;
  {
    const Bfloat16Scope precision(c10::kCPU, form.bfloat16);
    total = loss();
  }
  total.backward();
  return meter.peak();
}

void expect_close(const ActivationBytes& estimate, std::int64_t peak) {
  const double ratio = static_cast<double>(estimate.kept + estimate.transient) / static_cast<double>(peak);
  EXPECT_LT(ratio, kFactor);
  EXPECT_GT(ratio, 1 / kFactor);
}

/// In bfloat16, with recomputed blocks.
class ActivationMemoryTest : public ::testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  ActivationMemoryTest() {
    form.bfloat16 = std::get<0>(GetParam());
    form.recompute = std::get<1>(GetParam());
  }
  ComputeForm form;
};

TEST_P(ActivationMemoryTest, OfMpmaeIsNearWhatIsAllocated) {
  MpmaeConfig config;
  config.decoder_width = 128;
  config.targets = {{"optical", TargetKind::kContinuousPixel, 12, true},
                    {"cover", TargetKind::kCategoricalPixel, 9},
                    {"weather", TargetKind::kContinuousImage, 12}};
  Mpmae net(config);
  net.initialise(1);
  net.recompute_blocks(form.recompute);
  MpmaeBatch batch = random_batch(config, 4, 56, 56);
  batch.input = batch.input.to(at::kFloat);
  for (at::Tensor& target : batch.targets) {
    if (target.is_floating_point()) target = target.to(at::kFloat);
  }
  batch.mask = batch.mask.to(at::kFloat);
  expect_close(mpmae_activations(config, 4, 56, 0.6, form),
               measured(net, form, [&] { return net.forward(batch).total; }));
}

TEST_P(ActivationMemoryTest, OfTerrafmIsNearWhatIsAllocated) {
  TerrafmConfig config;
  config.image_size = 96;
  config.embed_dim = 192;
  config.depth = 6;
  config.heads = 3;
  config.fusion_heads = 12;
  Terrafm net(config);
  net.initialise(1);
  net.recompute_blocks(form.recompute);
  for (const std::vector<Sensor>& sensors :
       {std::vector{Sensor::kS2L2a}, std::vector{Sensor::kS1, Sensor::kS2L2a, Sensor::kS2L1c}}) {
    SensorImages images;
    for (const Sensor sensor : sensors) {
      images[sensor] = at::ones({4, kSensorBands[static_cast<std::size_t>(sensor)], 96, 96});
    }
    expect_close(terrafm_activations(config, 4, 96, sensors, form),
                 measured(net, form, [&] { return net.forward(images).square().sum(); }));
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, ActivationMemoryTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(ActivationMemory, OfAVitBlockCountsItsTensors) {
  TerrafmConfig config;
  config.embed_dim = 8;
  config.heads = 2;
  ComputeForm form;
  // 3 samples of 5 tokens: two residuals, two norms, query, key, value, what attention gives, twice 32
  // hidden.
  EXPECT_EQ(vit_block_bytes(config, 3, 5, form), 15 * (2 * 8 + 2 * 8 + 4 * 8 + 2 * 32) * 4);
  form.fused_attention = false;
  const std::int64_t matrix = 3 * 2 * 5 * 5 * 4;
  EXPECT_EQ(vit_block_bytes(config, 3, 5, form), 15 * 128 * 4 + matrix);
  form.tp = 2;
  EXPECT_EQ(vit_block_bytes(config, 3, 5, form), 15 * (8 + 2 * 8 + 2 * 8 + 32) * 4 + matrix / 2);
  form = {};
  form.bfloat16 = true;  // and the weights as the products take them
  EXPECT_EQ(vit_block_bytes(config, 3, 5, form), 15 * (2 * 8 * 4 + 112 * 2) + 12 * 8 * 8 * 2);
}

TEST(ActivationMemory, OfRecomputedBlocksIsTheirInputs) {
  const TerrafmConfig config = terrafm_size("base");
  ComputeForm plain, recomputed;
  recomputed.recompute = true;
  const std::vector<Sensor> sensors{Sensor::kS2L2a};
  const auto whole = terrafm_activations(config, 2, 224, sensors, plain);
  const auto inputs = terrafm_activations(config, 2, 224, sensors, recomputed);
  const std::int64_t block = vit_block_bytes(config, 2, 197, plain), input = 2 * 197 * 768 * 4;
  EXPECT_EQ(whole.kept - inputs.kept, 12 * (block - input));
  EXPECT_EQ(inputs.transient - whole.transient, block + 12 * 768 * 768 * 4);
}

}  // namespace
}  // namespace terramill::model
