#include <terramill/core/error.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/parallel/process_group.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/FlightRecorder.hpp>
#include <torch/torch.h>
#include <unistd.h>

namespace terramill::parallel {
namespace {

TEST(ProcessGroup, SendsCpuTensorsThroughMpi) {
  const mpi::Communicator world = mpi::Communicator::world();
  const ProcessGroupPtr group = make_process_group(world, at::kCPU);
  EXPECT_EQ(group->getRank(), world.rank());
  EXPECT_EQ(group->getSize(), world.size());
  std::vector<at::Tensor> tensors{torch::ones({1000})};
  group->allreduce(tensors)->wait();
  EXPECT_TRUE(tensors[0].eq(world.size()).all().item<bool>());
  at::Tensor own = torch::full({2}, world.rank()), all = torch::zeros({2 * world.size()}, own.options());
  group->_allgather_base(all, own)->wait();
  for (int r = 0; r < 2 * world.size(); ++r) EXPECT_EQ(all[r].item<int>(), r / 2);
  group->barrier()->wait();
}

TEST(ProcessGroup, StoreIsReachedByEveryRank) {
  const mpi::Communicator world = mpi::Communicator::world();
  const auto store = make_store(world);
  store->set("rank" + std::to_string(world.rank()), std::to_string(world.rank() * 7));
  for (int r = 0; r < world.size(); ++r) {
    EXPECT_EQ(store->get_to_str("rank" + std::to_string(r)), std::to_string(r * 7));
  }
  world.barrier();  // rank 0 serves until all have read
}

TEST(ProcessGroup, NcclWithoutAGpuSaysSo) {
  if (cuda_available()) GTEST_SKIP() << "a GPU answers";
  const mpi::Communicator world = mpi::Communicator::world();
  try {
    make_process_group(world, at::Device(at::kCUDA, 0));
    FAIL() << "a group was made";
  } catch (const LibraryError& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.find("no GPU answers") != std::string::npos ||
                text.find("no CUDA parts") != std::string::npos)
        << text;
    EXPECT_NE(text.find("--train.device cpu"), std::string::npos) << text;
  }
  EXPECT_THROW(select_device("cuda", world), UsageError);
}

TEST(ProcessGroup, NcclSumsOnGpus) {
  const mpi::Communicator world = mpi::Communicator::world();
  if (cuda_device_count() < world.size()) GTEST_SKIP() << "fewer GPUs than ranks";
  const at::Device device = select_device("cuda", world);
  const ProcessGroupPtr group = make_process_group(world, device);
  std::vector<at::Tensor> tensors{torch::ones({1000}, at::device(device))};
  group->allreduce(tensors)->wait();
  EXPECT_TRUE(tensors[0].eq(world.size()).all().item<bool>());
}

TEST(ProcessGroup, NcclGroupsOfBothAxesSumOnGpus) {
  const mpi::Communicator world = mpi::Communicator::world();
  if (cuda_device_count() < world.size()) GTEST_SKIP() << "fewer GPUs than ranks";
  if (world.size() % 2 != 0) GTEST_SKIP() << "needs pairs of ranks";
  const Mesh mesh(world, select_device("cuda", world), 2);
  at::Tensor pair = torch::full({1000}, mesh.tp_rank() + 1, at::device(mesh.device()));
  mesh.tensor_group().sum_in_place(pair);
  EXPECT_TRUE(pair.eq(3).all().item<bool>());
  std::vector<at::Tensor> tensors{torch::ones({1000}, at::device(mesh.device()))};
  mesh.dp_group()->allreduce(tensors)->wait();
  EXPECT_TRUE(tensors[0].eq(mesh.dp()).all().item<bool>());
}

TEST(NcclOptions, AreRefusedOnTheCpu) {
  const mpi::Communicator world = mpi::Communicator::world();
  EXPECT_NO_THROW(Mesh(world, at::kCPU));
  EXPECT_THROW(Mesh(world, at::kCPU, 1, {.nan_check = true}), UsageError);
  EXPECT_THROW(Mesh(world, at::kCPU, 1, {.flight_recorder = 10}), UsageError);
  EXPECT_THROW(Mesh(world, at::kCPU, 1, {.timeout = std::chrono::seconds(1)}), UsageError);
}

TEST(NcclOptions, LeaveWhatTheEnvironmentSaysAndNameFilesByTheRankInTheJob) {
  const mpi::Communicator world = mpi::Communicator::world();
  const at::Device gpu(at::kCUDA, 0);  // nothing below touches it
  const std::string name = "terramill-flight-" + world.broadcast(std::to_string(getpid()));
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / name;
  ASSERT_EQ(setenv("TORCH_NCCL_NAN_CHECK", "0", 1), 0);
  unsetenv("TORCH_FR_BUFFER_SIZE");
  unsetenv("TORCH_FR_DUMP_TEMP_FILE");
  prepare_nccl({.flight_recorder = 77, .flight_folder = folder, .nan_check = true}, world, gpu);
  EXPECT_STREQ(std::getenv("TORCH_NCCL_NAN_CHECK"), "0");
  EXPECT_STREQ(std::getenv("TORCH_FR_BUFFER_SIZE"), "77");
  // c10d asks for the writer by the rank in the group that it made first.
  c10d::DebugInfoWriter::getWriter(0).write("record");
  EXPECT_TRUE(std::filesystem::exists(folder / ("rank_" + std::to_string(world.rank()))));
  world.barrier();
  if (world.rank() == 0) std::filesystem::remove_all(folder);
}

TEST(Device, AutoFallsBackToTheCpu) {
  const mpi::Communicator world = mpi::Communicator::world();
  EXPECT_EQ(select_device("cpu", world), at::Device(at::kCPU));
  if (!cuda_available()) {
    EXPECT_EQ(select_device("auto", world), at::Device(at::kCPU));
  }
  EXPECT_THROW(select_device("tpu", world), UsageError);
}

TEST(Mesh, IsAllReplicas) {
  const mpi::Communicator world = mpi::Communicator::world();
  const Mesh mesh(world, at::kCPU);
  EXPECT_EQ(mesh.dp(), world.size());
  EXPECT_EQ(mesh.replica(), world.rank());
  EXPECT_EQ(mesh.tp(), 1);
  EXPECT_EQ(mesh.dp_group()->getSize(), world.size());
}

TEST(Mesh, RefusesGroupsThatDoNotFillTheRanks) {
  const mpi::Communicator world = mpi::Communicator::world();
  EXPECT_THROW(Mesh(world, at::kCPU, world.size() + 1), UsageError);
  EXPECT_THROW(Mesh(world, at::kCPU, 0), UsageError);
}

}  // namespace
}  // namespace terramill::parallel
