#include "unit/model/small_model.hpp"
#include "unit/model/small_terrafm.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/host_memory.hpp>
#include <terramill/model/dino.hpp>
#include <terramill/parallel/adamw.hpp>
#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/parallel/mesh.hpp>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

using parallel::Mesh;
using parallel::Placements;
using parallel::TensorGroup;

constexpr double kTolerance = 1e-11;  // float64: another order of summation

/// The job's ranks as one tensor-parallel group.
class TensorParallel : public ::testing::Test {
 protected:
  mpi::Communicator world = mpi::Communicator::world();
  Mesh mesh{world, at::kCPU, world.size()};
  const TensorGroup& group = mesh.tensor_group();

  /// Gives a split model this rank's part of a whole one's parameters.
  static void copy_parts(const torch::nn::Module& whole, torch::nn::Module& split) {
    const torch::NoGradGuard no_grad;
    const Placements placements = placements_of(split);
    const auto from = whole.named_parameters();
    for (auto& item : split.named_parameters()) {
      const auto* placement = parallel::find(placements, item.key());
      item.value().copy_(placement != nullptr ? placement->part_of(from[item.key()]) : from[item.key()]);
    }
  }

  static void expect_close(const at::Tensor& got, const at::Tensor& wanted, const std::string& what) {
    ASSERT_EQ(got.sizes(), wanted.sizes()) << what;
    const double scale = std::max(1.0, wanted.abs().max().item<double>());
    EXPECT_LE((got - wanted).abs().max().item<double>(), kTolerance * scale) << what;
  }

  /// Every gradient is the whole model's: the part of it that belongs here, or, summed over the ranks, all.
  void expect_gradients(const torch::nn::Module& whole, const torch::nn::Module& split) const {
    const Placements placements = placements_of(split);
    const auto wanted = whole.named_parameters();
    for (const auto& item : split.named_parameters()) {
      const std::string& name = item.key();
      if (!item.value().requires_grad()) continue;
      at::Tensor reference = wanted[name].grad();
      ASSERT_EQ(reference.defined(), item.value().grad().defined()) << name;
      if (!reference.defined()) continue;
      at::Tensor gradient = item.value().grad().clone();
      if (const auto* placement = parallel::find(placements, name)) {
        if (placement->partial_gradient) group.sum_in_place(gradient);
        reference = placement->part_of(reference);
      }
      expect_close(gradient, reference, name);
    }
  }
};

TerrafmConfig six_heads() {
  TerrafmConfig config = small_terrafm_config();
  config.heads = 6;
  return config;
}

TEST_F(TensorParallel, TerrafmGivesTheSameValuesAndGradients) {
  // With one image some ranks have no class token among their rows; with three, rows straddle images.
  for (const std::int64_t batch : {1, 3}) {
    const auto whole = random_terrafm(six_heads());
    const auto split = std::make_unique<Terrafm>(six_heads(), group);
    split->to(at::kDouble);
    copy_parts(*whole, *split);
    SensorImages images = random_images(batch);
    if (batch == 3) images.present = presence({{1, 0, 0}, {1, 1, 1}, {0, 1, 1}});
    const at::Tensor keep = at::ones({2, batch}, at::kDouble);
    keep[0][0] = 0;
    const at::Tensor wanted = whole->forward(images, keep), got = split->forward(images, keep);
    expect_close(got, wanted, "class token");
    const at::Tensor weights = normal(wanted.sizes(), 5);
    (wanted * weights).sum().backward();
    (got * weights).sum().backward();
    expect_gradients(*whole, *split);
    const torch::NoGradGuard no_grad;
    expect_close(split->block_outputs(images, {0, 1})[1], whole->block_outputs(images, {0, 1})[1], "tokens");
  }
}

TEST_F(TensorParallel, DinoLossGivesTheSameValuesAndGradients) {
  const DinoHeadConfig config{12, 10, 6, 23, false};
  DinoHead whole(config), split(config, group);
  for (DinoHead* head : {&whole, &split}) {
    head->to(at::kDouble);
    head->initialise(3);
  }
  copy_parts(whole, split);
  const at::Tensor student = normal({8, 12}, 1).mul(3), teacher = normal({4, 12}, 2).mul(3);
  const at::Tensor shift = normal({1, 23}, 4);
  const auto loss = [&](const DinoHead& head, const TensorGroup& over, at::Tensor& features) {
    features = student.clone().requires_grad_();
    const parallel::Range own = over.part(23);
    return dino_loss(head.forward(features), head.forward(teacher), shift.narrow(1, own.begin, own.size()),
                     0.1, 0.04, over);
  };
  at::Tensor features, split_features;
  const at::Tensor wanted = loss(whole, {}, features), got = loss(split, group, split_features);
  expect_close(got, wanted, "loss");
  wanted.backward();
  got.backward();
  expect_gradients(whole, split);
  expect_close(split_features.grad(), features.grad(), "features");
}

TEST_F(TensorParallel, MpmaeGivesTheSameValuesAndGradients) {
  const MpmaeConfig config = small_config();
  const MpmaeBatch batch = random_batch(config, 2, 16, 16);
  const auto whole = random_model(config);
  const auto split = std::make_unique<Mpmae>(config, group);
  split->to(at::kDouble);
  copy_parts(*whole, *split);
  const MpmaeOutput wanted = whole->forward(batch, true), got = split->forward(batch, true);
  expect_close(got.losses, wanted.losses, "losses");
  for (std::size_t i = 0; i < wanted.predictions.size(); ++i) {
    expect_close(got.predictions[i], wanted.predictions[i], config.targets[i].name);
  }
  wanted.total.backward();
  got.total.backward();
  expect_gradients(*whole, *split);
}

TEST_F(TensorParallel, InitialWeightsAreThoseOfOneRank) {
  const auto check = [&](const torch::nn::Module& whole, const torch::nn::Module& split) {
    const Placements placements = placements_of(split);
    const auto wanted = whole.named_parameters();
    std::int64_t here = 0, all = 0;
    for (const auto& item : split.named_parameters()) {
      const auto* placement = parallel::find(placements, item.key());
      const at::Tensor& value = wanted[item.key()];
      EXPECT_TRUE(at::equal(item.value(), placement != nullptr ? placement->part_of(value) : value))
          << item.key();
      here += item.value().numel();
      all += value.numel();
    }
    if (group.size() > 1) {
      EXPECT_LT(here, all);
    }
  };
  Terrafm whole(six_heads()), split(six_heads(), group);
  whole.initialise(3);
  split.initialise(3);
  check(whole, split);
  Mpmae mae(small_config()), split_mae(small_config(), group);
  mae.initialise(3);
  split_mae.initialise(3);
  check(mae, split_mae);
}

TEST_F(TensorParallel, LargeModelsLeaveLittleOnEachRank) {
  if (group.size() != 4) GTEST_SKIP() << "for 4 ranks";
  // Nothing is drawn, so the zeros of the parameters take no memory.
  const Terrafm encoder(terrafm_size("large"), group);
  const DinoHead head(DinoHeadConfig{1024, 2048, 256, 65536, true}, group);
  double here = 0, all = 0;
  const auto count = [&](const torch::nn::Module& module) {
    const Placements placements = placements_of(module);
    for (const auto& item : module.named_parameters()) {
      const auto* placement = parallel::find(placements, item.key());
      const bool split = placement != nullptr && placement->split();
      here += static_cast<double>(item.value().numel());
      all += static_cast<double>(split ? c10::multiply_integers(placement->shape) : item.value().numel());
    }
  };
  count(encoder);
  count(head);
  std::cout << "TerraFM-L with its head: " << all / 1e6 << " M parameters, " << here / 1e6 << " M on rank "
            << group.rank() << ": " << here / all << '\n';
  EXPECT_GT(all, 300e6);
  EXPECT_LE(here, 0.30 * all);

  const bool fits = host_memory().available > std::int64_t{12} << 30;
  if (world.min(static_cast<int>(fits)) == 0) GTEST_SKIP() << "the optimiser's state needs 12 GiB";
  parallel::ParameterGroup every;
  for (const torch::nn::Module* module : std::initializer_list<const torch::nn::Module*>{&encoder, &head}) {
    for (const auto& item : module->named_parameters()) {
      if (item.value().requires_grad()) every.parameters.emplace_back(item.key(), item.value());
    }
  }
  Placements placements = placements_of(encoder);
  placements.merge(placements_of(head));
  const parallel::GradientBuffer gradients(mesh, parallel::by_sharing({every}, placements),
                                           parallel::Reduction::kFast);
  const parallel::AdamW optimiser(gradients, {});
  const auto kept = static_cast<double>(optimiser.bytes()), undivided = 8 * all;
  std::cout << "AdamW's moments of it: " << undivided / 1e6 << " MB, " << kept / 1e6 << " MB on rank "
            << group.rank() << ": " << kept / undivided << '\n';
  EXPECT_LE(kept, 0.30 * undivided);
}

TEST_F(TensorParallel, MoreRanksThanHeadsAreRefused) {
  if (group.size() == 1) GTEST_SKIP() << "one rank";
  TerrafmConfig config = small_terrafm_config();
  config.heads = 1;
  EXPECT_THROW(Terrafm(config, group), UsageError);
}

}  // namespace
}  // namespace terramill::model
