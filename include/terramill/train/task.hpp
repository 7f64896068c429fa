#pragma once

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/json.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/model/flops.hpp>
#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/train/metrics.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace terramill::train {

/// Which micro-batch of a run is computed.
struct MicroBatchPlace {
  std::int64_t step = 0;    ///< global steps done before
  std::uint64_t epoch = 0;  ///< of the plan
  int index = 0;            ///< within the global batch
};

/// Rates of one update.
struct UpdateRates {
  double lr = 0, weight_decay = 0;
};

/// What is trained, and how a micro-batch becomes gradients: one implementation per family of models. The
/// loop (pretraining.cpp) does the rest, which is the same for all: plans, loading, reduction, the optimiser,
/// metrics, checkpoints.
///
/// A task's random numbers are functions of seed, place and tile; whatever it sums over the global batch is
/// reduced by micro-batch, so that the layout does not show.
class Task {
 public:
  virtual ~Task() = default;

  /// What to load of each tile, and the edge of the window in pixels.
  virtual const std::vector<loader::Request>& requests() const = 0;
  virtual int window() const = 0;

  /// What is trained, by its group of the optimiser.
  virtual std::vector<parallel::ParameterGroup> groups() const = 0;
  /// Everything a checkpoint keeps besides the optimiser's state, under its name there. Reading into the
  /// tensors restores it.
  virtual std::vector<parallel::NamedTensor> state() const = 0;
  /// How parameters, and what else the state holds, lie on the tensor-parallel ranks: by a parameter's name,
  /// which in the state has a prefix, or by the state's.
  virtual parallel::Placements placements() const = 0;
  /// Has `wait` called with each parameter before it is read.
  virtual void set_gate(std::function<void(const at::Tensor&)> wait) = 0;
  /// Completes what is put off until a parameter is read, so that the state is whole.
  virtual void settle() = 0;
  /// Takes weights from elsewhere (checkpoint::init_from).
  virtual checkpoint::InitReport init_from(const std::string& path) = 0;

  /// The run's length, once known: schedules depend on it. UsageError where the warm-up is longer.
  virtual void set_length(std::int64_t total_steps, std::int64_t steps_per_epoch) = 0;
  /// Names of what `train` and `evaluate` return; the first is "loss".
  virtual std::vector<std::string> losses() const = 0;

  /// Begins a global batch.
  virtual void begin_step(int micro_batches) = 0;
  /// Starts to copy a micro-batch to the GPU, that `train` is given after another; it must live until then.
  virtual void stage(const loader::MicroBatch& next) = 0;
  /// Forward and one backward pass. Returns the losses.
  virtual std::vector<double> train(const loader::MicroBatch& loaded, const MicroBatchPlace& place) = 0;
  /// Floating-point operations of the micro-batch that `train` computed last, by the model's definition
  /// (model/flops.hpp), of the whole model whatever the layout.
  virtual model::Flops flops() const = 0;
  /// The losses on tiles held out; drops nothing, changes nothing. `index` of the micro-batch among them.
  virtual std::vector<double> evaluate(const loader::MicroBatch& loaded, int index) = 0;

  /// After the gradients of a global batch are summed: clips them. `step` steps are done. Collective.
  virtual UpdateRates before_update(parallel::GradientBuffer& gradients, std::int64_t step) = 0;
  /// After the optimiser's step: what follows the student. Collective.
  virtual void after_update(std::int64_t step) = 0;
  /// Further numbers of the last step for the metrics.
  virtual Scalars scalars() const = 0;

  /// One frozen feature vector per tile, [B, d], for kNN during the run.
  virtual at::Tensor features(const loader::MicroBatch& loaded) = 0;

  /// Bytes that computing one micro-batch needs at its peak besides weights and gradients: an estimate.
  virtual std::int64_t activation_bytes() const = 0;

  /// One line for the log, and what run.json keeps of the model.
  virtual std::string description() const = 0;
  virtual Json about() const = 0;
};

}  // namespace terramill::train
