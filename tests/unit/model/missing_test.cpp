#include "small_model.hpp"

#include <terramill/model/mpmae.hpp>

#include <limits>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Replaces a whole target by its form of "missing".
void lose(const MpmaeTarget& target, at::Tensor& values) {
  switch (target.kind) {
    case TargetKind::kContinuousPixel:
    case TargetKind::kContinuousImage:
      values = at::full_like(values, kNan);
      break;
    case TargetKind::kCategoricalPixel:
      values = at::full_like(values, -1);
      break;
    case TargetKind::kCategoricalImage:
      values = at::zeros_like(values);
      break;
  }
}

TEST(MissingTarget, TakesNoPartAndLeavesTheOthersAlone) {
  for (const MissingMode mode : {MissingMode::kSkip, MissingMode::kMask}) {
    MpmaeConfig config = small_config();
    config.missing = mode;
    const MpmaeBatch whole = random_batch(config, 2, 16, 16);
    const auto all = random_model(config)->forward(whole);
    for (std::size_t lost = 0; lost < config.targets.size(); ++lost) {
      for (const bool undefined : {false, true}) {
        MpmaeBatch batch = whole;
        if (undefined) {
          batch.targets[lost] = at::Tensor();
        } else {
          lose(config.targets[lost], batch.targets[lost]);
        }
        const auto net = random_model(config);
        const auto output = net->forward(batch);
        output.total.backward();
        const std::string& name = config.targets[lost].name;
        const auto index = static_cast<std::int64_t>(lost);
        EXPECT_FALSE(output.participates[lost]) << name;
        EXPECT_EQ(output.losses[index].item<double>(), 0) << name;
        EXPECT_EQ(output.weighted[index].item<double>(), 0) << name;
        EXPECT_NEAR((all.total - all.weighted[index] - output.total).item<double>(), 0, 1e-12) << name;
        for (const auto& parameter : net->named_parameters()) {
          const at::Tensor& gradient = parameter.value().grad();
          if (parameter.key().starts_with("pred_dict." + name + ".")) {
            EXPECT_FALSE(gradient.defined()) << parameter.key();
          } else {
            EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << parameter.key();
          }
        }
        EXPECT_EQ(net->named_parameters()["loss_fn.log_vars"].grad()[index].item<double>(), 0) << name;
      }
    }
  }
}

TEST(MissingTarget, MakesTheReferencesTotalNan) {
  MpmaeConfig config = small_config();
  config.missing = MissingMode::kReference;
  for (const std::size_t lost : {2U, 3U}) {  // class pixels and image-level values
    MpmaeBatch batch = random_batch(config, 2, 16, 16);
    lose(config.targets[lost], batch.targets[lost]);
    EXPECT_TRUE(random_model(config)->forward(batch).total.isnan().item<bool>());
  }
}

TEST(MissingPixels, PullTowardsTheMeanUnlessMasked) {
  MpmaeConfig config = small_config();
  MpmaeBatch holes = random_batch(config, 2, 16, 16);
  holes.targets[1][0].narrow(1, 0, 7).fill_(kNan);
  MpmaeBatch zeros = holes;
  zeros.targets[1] = holes.targets[1].nan_to_num(0);
  EXPECT_TRUE(
      at::equal(random_model(config)->forward(holes).losses, random_model(config)->forward(zeros).losses));
  config.missing = MissingMode::kMask;
  EXPECT_FALSE(
      at::equal(random_model(config)->forward(holes).losses, random_model(config)->forward(zeros).losses));
}

TEST(MissingPixels, MaskedLossIsThatOfTheSamplesThatHaveThem) {
  MpmaeConfig config = small_config();
  config.missing = MissingMode::kMask;
  const auto net = random_model(config);
  MpmaeBatch batch = random_batch(config, 2, 16, 16);
  const auto whole = net->forward(batch, true);
  batch.targets[1][0].fill_(kNan);
  const double loss = net->forward(batch).losses[1].item<double>();
  // [2C p p, h, w] of sample 1 against its own target, by hand.
  const at::Tensor prediction = whole.predictions[1][1].view({8, 8, 2, 2, 2});  // ph pw c h w
  const at::Tensor target = batch.targets[1][1].view({2, 2, 8, 2, 8}).permute({2, 4, 0, 1, 3});
  const at::Tensor errors = (prediction - target).square().mean(at::IntArrayRef{0, 1, 2}).flatten();
  const at::Tensor removed = batch.mask[1].to(at::kBool);
  EXPECT_NEAR(loss, errors.masked_select(removed).mean().item<double>(), 1e-12);
}

TEST(MissingInput, IsZeroUnlessTheReferenceIsAskedFor) {
  MpmaeConfig config = small_config();
  MpmaeBatch batch = random_batch(config, 2, 16, 16);
  batch.mask.zero_();
  batch.mask.narrow(1, 0, 1).fill_(1);
  batch.input[0].narrow(1, 9, 2).fill_(kNan);
  const auto output = random_model(config)->forward(batch);
  EXPECT_TRUE(output.total.isfinite().item<bool>());
  MpmaeBatch zeros = batch;
  zeros.input = batch.input.nan_to_num(0);
  EXPECT_TRUE(at::equal(output.losses, random_model(config)->forward(zeros).losses));
  config.missing = MissingMode::kReference;
  EXPECT_TRUE(random_model(config)->forward(batch).total.isnan().item<bool>());
}

}  // namespace
}  // namespace terramill::model
