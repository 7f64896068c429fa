#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/checkpoint/tensors.hpp>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

namespace fs = std::filesystem;
using terramill::testing::invented_state;
using terramill::testing::SharedScratch;
using Names = std::vector<std::string>;

class InitFrom : public ::testing::Test {
 protected:
  mpi::Communicator world = mpi::Communicator::world();
  SharedScratch scratch{world};
  std::vector<NamedTensor> wanted{{"conv.weight", torch::zeros({8, 4, 3, 3}).requires_grad_()},
                                  {"head.weight", torch::ones({2})}};

  void expect_loaded(const fs::path& source, const at::Tensor& weight, const Names& unexpected) {
    const InitReport report = init_from(source, wanted);
    EXPECT_TRUE(wanted[0].second.equal(weight));
    EXPECT_TRUE(wanted[1].second.eq(1).all().item<bool>());
    EXPECT_EQ(report.loaded, Names{"conv.weight"});
    EXPECT_EQ(report.missing, Names{"head.weight"});
    EXPECT_EQ(report.unexpected, unexpected);
  }
};

TEST_F(InitFrom, TakesTheModelAndNothingElseFromACheckpointOrARun) {
  save(world, scratch.path(), 1, invented_state(1), {});
  const fs::path newest = save(world, scratch.path(), 2, invented_state(2), {});
  const Names others{"none", "norm.weight", "scale"};
  expect_loaded(scratch.path() / "checkpoints" / "step-00000001", invented_state(1)[1].second, others);
  expect_loaded(newest, invented_state(2)[1].second, others);
  expect_loaded(scratch.path(), invented_state(2)[1].second, others);
}

TEST_F(InitFrom, TakesAFileOfOfficialNames) {
  const fs::path file = scratch.path() / "weights.safetensors";
  const at::Tensor weight = invented_state(3)[1].second;
  if (world.rank() == 0) save_tensors(file, {{"conv.weight", weight}, {"more", torch::zeros({1})}});
  world.barrier();
  expect_loaded(file, weight, {"more"});
}

TEST_F(InitFrom, RefusesWhatDoesNotFit) {
  const fs::path newest = save(world, scratch.path(), 1, invented_state(1), {});
  EXPECT_THROW(init_from(newest, {{"conv.weight", torch::zeros({8, 4, 3})}}), FormatError);
  EXPECT_THROW(init_from(newest, {{"other", torch::zeros({8})}}), UsageError);
  EXPECT_THROW(init_from(scratch.path() / "absent", wanted), IoError);
  EXPECT_THROW(init_from(scratch.path() / "checkpoints", wanted), UsageError);
}

}  // namespace
}  // namespace terramill::checkpoint
