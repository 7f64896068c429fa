#pragma once

#include <terramill/core/json.hpp>
#include <terramill/report/machine.hpp>
#include <terramill/report/scaling_fit.hpp>
#include <terramill/report/workload.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

struct SimulationOptions {
  std::vector<std::int64_t> gpus;     ///< counts to predict; empty: 1, 2, 4 … to the whole machine
  bool weak = false;                  ///< images_per_gpu for any count; else the configured global batch
  std::int64_t images_per_gpu = 0;    ///< of weak scaling; 0: the configured micro-batch
  std::int64_t micro_batch_size = 0;  ///< 0: the best power of two that divides the batch
  std::vector<std::int64_t> tp;       ///< to choose from; empty: all that divide node and model
  std::optional<bool> zero;           ///< nothing: the better of both
  std::string precision;              ///< empty: the configured one
  bool recompute = false;             ///< activations, by block
  int cores = 0;                      ///< FitOptions::cores of the points
};

/// Bytes on one rank.
struct RankMemory {
  double weights = 0, gradients = 0, optimiser = 0, teacher = 0, activations = 0, reserved = 0;
  double total() const noexcept { return weights + gradients + optimiser + teacher + activations + reserved; }
};

/// A layout and what is predicted for it.
struct Prediction {
  RankLayout layout;
  bool zero = false;
  std::int64_t micro_batch_size = 0, micro_batches = 0;  ///< of the global batch
  StepSeconds step;
  std::string algorithm;  ///< of the reduction between nodes: "ring", "tree"; empty where there is none
  RankMemory memory;
  bool fits = true;  ///< the memory
  double images_per_second = 0, mfu = 0;
  double efficiency = 1;  ///< rate per GPU over that of the sweep's first count
  bool measured = false;  ///< within what was measured; else a scenario

  std::int64_t global_batch() const noexcept { return micro_batch_size * micro_batches; }
};

/// The best layout of one count of GPUs, or why there is none.
struct Choice {
  std::int64_t gpus = 0;
  std::size_t tried = 0, too_large = 0;  ///< layouts; those that do not fit the memory
  std::optional<Prediction> best;
};

/// Predicts steps of a workload on a machine, by closed formulas (docs/scaling.md). Measured points, where
/// given, take the place of the machine's constants as far as they tell them.
class Simulator {
 public:
  /// UsageError where the options are impossible, or a count of GPUs is more than the machine has.
  Simulator(Machine machine, Workload workload, SimulationOptions options,
            std::vector<ScalingPoint> points = {});

  const Machine& machine() const noexcept { return machine_; }
  const Workload& workload() const noexcept { return workload_; }
  const SimulationOptions& options() const noexcept { return options_; }
  const std::optional<ScalingFit>& fit() const noexcept { return fit_; }
  /// Every number that a prediction depends on, with its origin: the machine's, those of points, the model's.
  const std::vector<Constant>& constants() const noexcept { return constants_; }

  Prediction predict(const RankLayout& layout, bool zero, std::int64_t micro_batch_size,
                     std::int64_t micro_batches) const;
  /// The best layout of that many GPUs: of those that fit the memory the one of most images per second; among
  /// those within 0.1 % of each other that of least tp, without ZeRO-1, of the largest micro-batch.
  Choice best(std::int64_t gpus) const;
  /// One choice per count, with their efficiencies.
  std::vector<Choice> sweep() const;

 private:
  void calibrate(const std::vector<ScalingPoint>& points);
  void note_model();
  StepCosts costs_of(const RankLayout& layout, bool zero) const;
  RankMemory memory_of(const RankLayout& layout, bool zero, double micro_batch_size) const;
  bool within_points(const RankLayout& layout) const;
  bool is_possible(const RankLayout& layout) const;

  Machine machine_;
  Workload workload_;
  SimulationOptions options_;
  std::optional<ScalingFit> fit_;
  std::optional<WorkloadCosts> measured_;  ///< costs of this workload
  LinkCosts links_;                        ///< as measured
  std::int64_t measured_nodes_ = 0, measured_ranks_ = 0, measured_tp_ = 0;
  std::vector<Constant> constants_;
};

}  // namespace terramill::report
