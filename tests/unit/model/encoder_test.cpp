#include "small_model.hpp"

#include <terramill/model/encoder.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// The model's parameter `name`.
at::Tensor parameter(const Mpmae& net, const std::string& name) { return net.named_parameters()[name]; }

/// A sparse kernel (K, I, O) or (K, C) as a convolution's [O, I, kh, kw] or [C, 1, kh, kw].
at::Tensor dense_kernel(const at::Tensor& kernel, std::int64_t side) {
  at::Tensor cube = kernel.dim() == 3 ? kernel : kernel.unsqueeze(1);
  return cube.reshape({side, side, cube.size(1), cube.size(2)}).permute({3, 2, 1, 0});
}

at::Tensor layer_norm(const Mpmae& net, const std::string& name, const at::Tensor& image) {
  const at::Tensor weight = parameter(net, name + ".weight");
  return at::layer_norm(image.permute({0, 2, 3, 1}), weight.sizes(), weight, parameter(net, name + ".bias"),
                        1e-6)
      .permute({0, 3, 1, 2});
}

/// The stem in dense-masked form: convolutions on the whole image, multiplied by the active sites after every
/// layer.
at::Tensor dense_masked_stem(const Mpmae& net, const MpmaeBatch& batch) {
  const MpmaeConfig& config = net.config();
  const std::int64_t patch = config.patch_size, side = config.stem_stride();
  const std::int64_t height = batch.input.size(2), width = batch.input.size(3);
  const at::Tensor keep = (1 - batch.mask.view({batch.input.size(0), 1, height / patch, width / patch}))
                              .repeat_interleave(patch, 2)
                              .repeat_interleave(patch, 3);
  const at::Tensor x = batch.input * keep;
  const at::Tensor active = x.ne(0).any(1, true).to(x.dtype());
  const at::Tensor coarse = at::max_pool2d(active, {side, side});
  if (config.use_orig_stem) {
    at::Tensor kernel = parameter(net, "encoder.stem_orig.0.kernel");
    if (kernel.dim() == 2) kernel = kernel.unsqueeze(0);
    const at::Tensor out =
        at::conv2d(x, dense_kernel(kernel, side), parameter(net, "encoder.stem_orig.0.bias").view(-1), side);
    return layer_norm(net, "encoder.stem_orig.1.ln", out) * coarse;
  }
  const at::Tensor first = at::conv2d(x, dense_kernel(parameter(net, "encoder.initial_conv.0.kernel"), 3),
                                      parameter(net, "encoder.initial_conv.0.bias").view(-1), 1, 1);
  const at::Tensor y = at::gelu(layer_norm(net, "encoder.initial_conv.1.ln", first)) * active;
  const at::Tensor out =
      at::conv2d(y, dense_kernel(parameter(net, "encoder.stem.0.kernel"), side),
                 parameter(net, "encoder.stem.0.bias").view(-1), side, at::IntArrayRef{0}, 1, y.size(1));
  return layer_norm(net, "encoder.stem.1.ln", out) * coarse;
}

TEST(MaskedEncoder, EveryStemEqualsItsDenseMaskedForm) {
  for (const std::int64_t patch : {8, 16, 32}) {
    for (const bool original : {false, true}) {
      MpmaeConfig config = small_config();
      config.size.depths = {0, 0, 0, 0};
      config.patch_size = patch;
      config.use_orig_stem = original;
      const auto net = random_model(config);
      MpmaeBatch batch = random_batch(config, 2, 2 * patch, 3 * patch);
      batch.input.narrow(2, 3, 4).zero_();  // rows without any signal are inactive even where they are kept
      EncoderTrace trace;
      net->encode(batch.input, batch.mask, &trace);
      EXPECT_TRUE(at::allclose(trace.stages[0], dense_masked_stem(*net, batch), 1e-11, 1e-11))
          << "patch " << patch << (original ? ", original stem" : "");
    }
  }
}

TEST(MaskedEncoder, BlocksNormaliseOverTheWholeMicroBatch) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  const MpmaeBatch batch = random_batch(config, 2, 16, 16);
  const auto alone = [&] { return net->encode(batch.input.narrow(0, 0, 1), batch.mask.narrow(0, 0, 1)); };
  EXPECT_FALSE(at::allclose(net->encode(batch.input, batch.mask)[0], alone()[0]));
  const torch::NoGradGuard no_gradient;
  for (const auto& own : net->named_parameters()) {
    if (own.key().ends_with("grn.gamma")) own.value().zero_();
  }
  const at::Tensor together = net->encode(batch.input, batch.mask)[0];
  EXPECT_LE((together - alone()[0]).norm().item<double>(), 1e-12 * together.norm().item<double>());
}

TEST(MaskedEncoder, GridIsWholeWhereTheLastPatchesAreMaskedEverywhere) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  MpmaeBatch batch = random_batch(config, 2, 16, 16);
  batch.mask = at::tensor({0.0, 1.0, 1.0, 1.0}).repeat({2, 1});
  const at::Tensor out = net->encode(batch.input, batch.mask);
  EXPECT_EQ(out.sizes(), (at::IntArrayRef{2, 10, 2, 2}));
  EXPECT_EQ(out.narrow(2, 1, 1).abs().max().item<double>(), 0);
}

TEST(MaskedEncoder, NothingActiveGivesZerosAndFiniteGradients) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  MpmaeBatch batch = random_batch(config, 2, 16, 16);
  batch.input.zero_();
  const auto output = net->forward(batch);
  output.total.backward();
  EXPECT_TRUE(output.total.isfinite().item<bool>());
  for (const auto& own : net->named_parameters()) {
    EXPECT_TRUE(own.value().grad().isfinite().all().item<bool>()) << own.key();
  }
}

}  // namespace
}  // namespace terramill::model
