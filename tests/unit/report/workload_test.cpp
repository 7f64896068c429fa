#include <terramill/model/dino.hpp>
#include <terramill/model/mpmae.hpp>
#include <terramill/model/terrafm.hpp>
#include <terramill/report/workload.hpp>

#include <cstdint>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

template <typename Model>
double parameters_of(const Model& model, bool trained_only) {
  std::int64_t count = 0;
  for (const auto& parameter : model.parameters()) {
    if (parameter.requires_grad() || !trained_only) count += parameter.numel();
  }
  return static_cast<double>(count);
}

train::PretrainConfig small_terrafm() {
  train::PretrainConfig config = train::defaults_of("terrafm");
  config.model.size = "small";
  config.model.image_size = 64;
  config.terrafm.embed_dim = 48;
  config.terrafm.depth = 3;
  config.terrafm.heads = 3;
  config.dino.hidden_dim = 40;
  config.dino.bottleneck_dim = 24;
  config.dino.out_dim = 100;
  config.dino.local_size = 32;
  return config;
}

TEST(Workload, CountsTheParametersThatTerrafmHas) {
  for (const bool normed : {true, false}) {
    train::PretrainConfig config = small_terrafm();
    config.dino.norm_last_layer = normed;
    model::TerrafmConfig encoder = model::terrafm_size("small");
    encoder.image_size = 64;
    encoder.embed_dim = 48;
    encoder.depth = 3;
    encoder.heads = 3;
    const model::Terrafm backbone(encoder);
    const model::DinoHead head({48, 40, 24, 100, normed});
    const Workload work = count_workload(config, "small");
    EXPECT_EQ(work.parameters, parameters_of(backbone, true) + parameters_of(head, true));
    EXPECT_EQ(work.teacher_parameters, parameters_of(backbone, false) + parameters_of(head, false));
    EXPECT_LT(work.split_parameters, work.parameters);
  }
}

TEST(Workload, NamesThePrecisionAsPeaksAndPointsDo) {
  train::PretrainConfig config = small_terrafm();
  EXPECT_EQ(count_workload(config, "small").precision, "float32");
  config.train.precision = "bf16";
  EXPECT_EQ(count_workload(config, "small").precision, "bfloat16");
}

TEST(Workload, CountsTheParametersThatMpmaeHas) {
  for (const bool original_stem : {false, true}) {
    train::PretrainConfig config = train::defaults_of("mpmae");
    config.model.patch_size = 16;
    config.model.image_size = 112;
    config.model.decoder_width = 64;
    config.model.use_orig_stem = original_stem;
    model::MpmaeConfig wanted;
    wanted.patch_size = 16;
    wanted.decoder_width = 64;
    wanted.use_orig_stem = original_stem;
    wanted.targets = model::mmearth_targets();
    const model::Mpmae mpmae(wanted);
    EXPECT_EQ(count_workload(config, "atto").parameters, parameters_of(mpmae, true));
  }
}

// The transformer's well-known count: 24 n d^2 + 4 n^2 d operations of a block of width d with MLP ratio 4.
TEST(Workload, OperationsOfVitBlocksAreTheWellKnownCount) {
  train::PretrainConfig config = small_terrafm();
  const double n = 17, local = 5, d = 48, crops = config.dino.local_crops;
  const auto block = [&](double tokens) { return 24 * tokens * d * d + 4 * tokens * tokens * d; };
  EXPECT_DOUBLE_EQ(count_workload(config, "").block_forward_flops, 3 * (2 * block(n) + crops * block(local)));
  train::PretrainConfig deeper = config;
  deeper.terrafm.depth = 4;
  // Student: forward and twice that backward; teacher: forward.
  EXPECT_NEAR(count_workload(deeper, "").flops - count_workload(config, "").flops,
              3 * (2 * block(n) + crops * block(local)) + 2 * block(n), 1);
}

// docs/parallel.md: TerraFM-L with its head has 378.1 M parameters, of which a rank of four has 95.2 M.
TEST(Workload, TensorParallelismDividesWhatTheModelsDivide) {
  train::PretrainConfig config = train::defaults_of("terrafm");
  config.model.size = "large";
  const Workload work = count_workload(config, "large");
  EXPECT_NEAR(work.parameters / 1e6, 378.1, 0.1);
  EXPECT_NEAR((work.split_parameters / 4 + work.parameters - work.split_parameters) / 1e6, 95.2, 0.1);
}

TEST(Workload, TensorParallelBlocksTakeFourPairsOfCollectives) {
  train::PretrainConfig config = small_terrafm(), deeper = config;
  deeper.terrafm.depth = 4;
  // Two student passes of four pairs each, a teacher pass of two.
  EXPECT_EQ(count_workload(deeper, "").tensor_calls - count_workload(config, "").tensor_calls, 2 * 8 + 4);
}

TEST(Workload, LargerInputsAndFewerMaskedPatchesAreMoreWork) {
  train::PretrainConfig config = train::defaults_of("mpmae");
  config.model.image_size = 56;
  const Workload small = count_workload(config, "");
  config.model.image_size = 112;
  const Workload large = count_workload(config, "");
  EXPECT_GT(large.flops, 3.5 * small.flops);
  EXPECT_EQ(large.parameters, small.parameters);
  EXPECT_GT(large.tile_bytes, small.tile_bytes);
  config.model.mask_ratio = 0.3;
  EXPECT_GT(count_workload(config, "").block_forward_flops, large.block_forward_flops);
}

}  // namespace
}  // namespace terramill::report
