#include "small_terrafm.hpp"

#include <terramill/model/flops.hpp>
#include <terramill/model/sites.hpp>

#include <map>
#include <string>

#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// Counts the matrix products that LibTorch carries out in this thread, from their operands' shapes.
class Products {
 public:
  Products() {
    counted = 0;
    inside_convolution = 0;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(&Products::enter, &Products::leave).needsInputs(true));
  }
  ~Products() { at::removeCallback(handle_); }
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// Since the last call.
  static double take() { return std::exchange(counted, 0.0); }

 private:
  static bool is_convolution(const at::RecordFunction& function) {
    return std::string(function.name()).find("conv") != std::string::npos;
  }

  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
    const std::string name = function.name();
    if (is_convolution(function)) ++inside_convolution;
    // First operand, and how many products of [.., m, k] with [.., k, n] it takes part in.
    static const std::map<std::string, int> first{
        {"aten::mm", 0},
        {"aten::bmm", 0},
        {"aten::addmm", 1},
        {"aten::_addmm_activation", 1},
        {"aten::baddbmm", 1},
        {"aten::_scaled_dot_product_flash_attention_for_cpu", 0},
        {"aten::_scaled_dot_product_flash_attention_for_cpu_backward", 1}};
    const auto found = first.find(name);
    if (found == first.end() || inside_convolution > 0) return nullptr;
    const auto inputs = function.inputs();
    const at::Tensor a = inputs[static_cast<std::size_t>(found->second)].toTensor();
    const at::Tensor b = inputs[static_cast<std::size_t>(found->second) + 1].toTensor();
    if (name.find("attention") == std::string::npos) {
      counted += 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(-1));
    } else {
      // Queries [B, heads, n, width] by keys, and weights by values; each has two gradients.
      const double once = 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(-2));
      counted += (name.ends_with("backward") ? 4 : 2) * once;
    }
    return nullptr;
  }
  static void leave(const at::RecordFunction& function, at::ObserverContext* /*context*/) {
    if (is_convolution(function)) --inside_convolution;
  }

  static inline thread_local double counted = 0;
  static inline thread_local int inside_convolution = 0;
  at::CallbackHandle handle_;
};

struct Case {
  std::vector<std::vector<int>> present;
  std::int64_t height, width;
};

class TerrafmFlops : public testing::TestWithParam<Case> {};

TEST_P(TerrafmFlops, AreTheProductsThatLibTorchCarriesOut) {
  const TerrafmConfig config = small_terrafm_config();
  const auto net = random_terrafm(config);
  SensorImages images = random_images(static_cast<std::int64_t>(GetParam().present.size()), GetParam().height,
                                      GetParam().width);
  images.present = presence(GetParam().present);
  Products products;
  const at::Tensor loss = net->forward(images).square().sum();
  const double forward = Products::take();
  loss.backward();
  const double backward = Products::take();

  const Flops trained = terrafm_flops(config, images, true);
  EXPECT_DOUBLE_EQ(trained.forward, forward);
  EXPECT_DOUBLE_EQ(trained.backward, backward);
  const Flops frozen = terrafm_flops(config, images, false);
  EXPECT_DOUBLE_EQ(frozen.total(), forward);
}

INSTANTIATE_TEST_SUITE_P(Sensors, TerrafmFlops,
                         testing::Values(Case{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, 12, 12},
                                         Case{{{0, 1, 0}, {0, 1, 0}}, 8, 8},
                                         Case{{{1, 1, 0}, {0, 0, 1}, {1, 1, 1}, {1, 0, 0}}, 12, 16}));

TEST(DinoHeadFlops, AreTheProductsThatLibTorchCarriesOut) {
  const DinoHeadConfig config{6, 10, 4, 32, true};
  DinoHead head(config);
  head.initialise(1);
  const at::Tensor features = at::ones({5, 6}).requires_grad_();
  Products products;
  const at::Tensor loss = head.forward(features).sum();
  const double forward = Products::take();
  loss.backward();
  const Flops flops = dino_head_flops(config, 5, true);
  // By hand: 2 · 5 rows · (6 · 10 + 10 · 10 + 10 · 4 + 4 · 32).
  EXPECT_EQ(flops.forward, 2 * 5 * (60 + 100 + 40 + 128));
  EXPECT_EQ(flops.backward, 2 * flops.forward);
  EXPECT_DOUBLE_EQ(flops.forward, forward);
  EXPECT_DOUBLE_EQ(flops.backward, Products::take());
}

/// Convolutions of the small MP-MAE that are no matrix products, by hand: the first one's 3 × 3 window, the
/// stem's cells, the depthwise 7 × 7 windows of the four stages of one block and of the decoder.
Flops convolutions(const MpmaeConfig& config, double kept, double patches) {
  const double stride = static_cast<double>(config.stem_stride()), dim0 = 4;
  const double pixels = kept * 64 * stride * stride;
  const double first = config.use_orig_stem ? 0 : 2 * pixels * 9 * 3 * dim0;
  const double stem = config.use_orig_stem ? 0 : 2 * pixels * dim0;
  const double depthwise = 2 * 49 * (kept * (64 * 4 + 16 * 6 + 4 * 8 + 1 * 10) + patches * 8);
  return {first + stem + depthwise, first + 2 * (stem + depthwise)};
}

class MpmaeFlops : public testing::TestWithParam<std::pair<std::int64_t, bool>> {};

TEST_P(MpmaeFlops, AreTheProductsThatLibTorchCarriesOutAndTheConvolutions) {
  MpmaeConfig config = small_config();
  std::tie(config.patch_size, config.use_orig_stem) = GetParam();
  const auto net = random_model(config);
  MpmaeBatch batch = random_batch(config, 2, 3 * config.patch_size, 2 * config.patch_size);
  batch.targets[1] = at::Tensor();  // radar takes no part
  Products products;
  const MpmaeOutput output = net->forward(batch);
  const double forward = Products::take();
  output.total.backward();
  const double backward = Products::take();

  const MpmaeWork work{2, batch.mask.numel(), batch.mask.sum().to(at::kLong).item<std::int64_t>(),
                       output.participates};
  const Flops flops = mpmae_flops(config, work);
  const Flops rest = convolutions(config, static_cast<double>(work.patches - work.removed),
                                  static_cast<double>(work.patches));
  EXPECT_DOUBLE_EQ(flops.forward, forward + rest.forward);
  EXPECT_DOUBLE_EQ(flops.backward, backward + rest.backward);
}

INSTANTIATE_TEST_SUITE_P(Stems, MpmaeFlops,
                         testing::Values(std::pair<std::int64_t, bool>{8, false},
                                         std::pair<std::int64_t, bool>{16, false},
                                         std::pair<std::int64_t, bool>{16, true}));

}  // namespace
}  // namespace terramill::model
