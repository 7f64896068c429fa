#include "invented_points.hpp"

#include <terramill/core/error.hpp>
#include <terramill/report/simulate.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

Machine shipped_machine() {
  const char* const root = std::getenv("TERRAMILL_SOURCE_DIR");
  return read_machine(std::filesystem::path(root == nullptr ? "." : root) /
                      "configs/machines/a100-8x-hdr200.ini");
}

Workload base() {
  train::PretrainConfig config = train::defaults_of("terrafm");
  config.train.reduction = "fast";
  return count_workload(config, "terrafm-base");
}

Simulator simulator(const Machine& machine, const SimulationOptions& options = {}) {
  return {machine, base(), options};
}

TEST(Simulator, OneGpuCommunicatesNothing) {
  const Prediction one = simulator(shipped_machine()).predict({1, 1, 1}, false, 16, 64);
  EXPECT_EQ(one.step.exposed(), 0);
  EXPECT_EQ(one.step.hidden, 0);
  EXPECT_TRUE(one.algorithm.empty());
}

TEST(Simulator, NoLinkOrPeakThatGetsFasterMakesAStepSlower) {
  const Machine machine = shipped_machine();
  const std::vector<double Machine::*> rates{&Machine::gpu_bandwidth,    &Machine::network_bandwidth,
                                             &Machine::memory_bandwidth, &Machine::peak_float32,
                                             &Machine::read_bandwidth,   &Machine::node_read_bandwidth,
                                             &Machine::write_bandwidth,  &Machine::host_bandwidth};
  const std::vector<RankLayout> layouts{{1, 1, 1}, {1, 8, 1}, {2, 8, 2}, {128, 1024, 1}, {16, 16, 8}};
  for (const auto rate : rates) {
    Machine faster = machine;
    faster.*rate *= 3;
    for (const RankLayout& layout : layouts) {
      for (const bool zero : {false, true}) {
        const double before = simulator(machine).predict(layout, zero, 1, 1024).step.total();
        EXPECT_LE(simulator(faster).predict(layout, zero, 1, 1024).step.total(), before * (1 + 1e-12));
      }
    }
  }
}

TEST(Simulator, EfficiencyFallsAndSpeedRisesWithGpus) {
  SimulationOptions options;
  options.gpus = {1, 2, 8, 16, 64, 256, 1024};
  double rate = 0, efficiency = 1;
  for (const Choice& choice : simulator(shipped_machine(), options).sweep()) {
    ASSERT_TRUE(choice.best) << choice.gpus;
    EXPECT_GT(choice.best->images_per_second, rate) << choice.gpus;
    EXPECT_LE(choice.best->efficiency, efficiency * 1.001) << choice.gpus;
    rate = choice.best->images_per_second;
    efficiency = choice.best->efficiency;
  }
}

TEST(Simulator, TheBestLayoutFitsTheMemoryAndUsesEveryGpu) {
  Machine machine = shipped_machine();
  for (const double memory : {16e9, 40e9, 80e9}) {
    machine.memory = memory;
    SimulationOptions options;
    options.gpus = {1, 4, 8, 32};
    for (const Choice& choice : simulator(machine, options).sweep()) {
      if (!choice.best) continue;
      EXPECT_LE(choice.best->memory.total(), memory);
      EXPECT_EQ(choice.best->layout.ranks(), choice.gpus);
      EXPECT_EQ(choice.best->global_batch(), 1024);
    }
  }
  machine.memory = 4e9;
  SimulationOptions options;
  options.gpus = {1};
  const Choice none = simulator(machine, options).sweep().front();
  EXPECT_FALSE(none.best);
  EXPECT_EQ(none.tried, none.too_large);
  EXPECT_GT(none.tried, 0u);
}

TEST(Simulator, ZeroDividesTheOptimisersMemoryByTheReplicas) {
  const Simulator sim = simulator(shipped_machine());
  const RankMemory whole = sim.predict({1, 4, 1}, false, 16, 64).memory;
  const RankMemory split = sim.predict({1, 4, 1}, true, 16, 64).memory;
  EXPECT_DOUBLE_EQ(split.optimiser, whole.optimiser / 4);
  EXPECT_DOUBLE_EQ(split.weights, whole.weights);
}

TEST(Simulator, OneGpuTakesAsLongAsMeasured) {
  Workload work = base();
  work.checkpoint_every = 0;
  std::vector<ScalingPoint> points = invented_sweep(invented_costs());
  for (ScalingPoint& point : points) {
    point.config = work.name;
    point.precision = work.precision;
    point.checkpointing = false;
  }
  const Simulator sim(shipped_machine(), work, {}, points);
  const ScalingPoint& first = points.front();
  const Prediction one = sim.predict({1, 1, 1}, false, first.micro_batch_size, first.micro_batches);
  EXPECT_NEAR(one.step.total() / first.seconds_per_step(), 1, 1e-6);
  EXPECT_TRUE(one.measured);
  EXPECT_FALSE(sim.predict({128, 1024, 1}, false, 1, 1024).measured);
  EXPECT_FALSE(simulator(shipped_machine()).predict({1, 1, 1}, false, 16, 64).measured);
  bool told = false;
  for (const Constant& constant : sim.constants())
    told = told || constant.origin.find("18 measured") != std::string::npos;
  EXPECT_TRUE(told) << "the fit is named as an origin";
}

TEST(Simulator, RefusesWhatTheMachineLacks) {
  SimulationOptions options;
  options.gpus = {2048};
  EXPECT_THROW(simulator(shipped_machine(), options), UsageError);
  options.gpus = {12};
  EXPECT_THROW(simulator(shipped_machine(), options), UsageError);
}

TEST(Machine, EveryShippedDescriptionIsReadAndTellsOrigins) {
  const char* const root = std::getenv("TERRAMILL_SOURCE_DIR");
  const auto folder = std::filesystem::path(root == nullptr ? "." : root) / "configs/machines";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const Machine machine = read_machine(entry.path());
    ++count;
    for (const Constant& constant : machine.constants) {
      EXPECT_EQ(constant.origin.find(".ini"), std::string::npos) << entry.path() << ": " << constant.name;
    }
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace terramill::report
