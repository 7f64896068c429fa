#pragma once

#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/step_phases.hpp>
#include <terramill/train/stop_request.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terramill::train {

/// How long a measurement is, in steps.
struct MeasuredSteps {
  int warmup = 2;  ///< taken first and left out
  int counted = 5;
};

/// What a few steps of pretraining cost. The same on every rank.
struct Measurement {
  std::string device;  ///< parallel::device_name
  int dp = 1, tp = 1;
  std::int64_t parameters = 0;       ///< trained scalars of the model
  std::vector<double> step_seconds;  ///< of each counted step, on the rank that took longest
  double images_per_second = 0;      ///< of all ranks, over the counted steps
  double flops_per_image = 0;        ///< operations of the model, forward and backward (Task::flops)
  std::optional<double> peak_flops;  ///< of a rank's device, the mean; nothing where one is not known
  double gradient_bytes = 0;         ///< of the gradients that a rank reduces in a step, as they are sent
  double tp_bytes = 0;               ///< that a rank gives to tensor-parallel collectives in a step
  std::int64_t tp_calls = 0;         ///< such collectives in a step
  /// Means over the counted steps, on the rank that computed longest, so that they add up to its step.
  StepPhases phases;
};

/// Takes `steps` steps of the run that `config` describes, from freshly drawn weights, as `pretrain` would:
/// the same loader, reduction and optimiser, and the same agreement on stopping after each step; no file, no
/// checkpoint, no validation.
///
/// Three values are not the configuration's. sampling.tiles is raised so that one epoch holds all steps, by
/// repeating tiles where the corpus has fewer, unless a plan is replayed. train.steps is raised to the number
/// of steps where it is given. dino.freeze_last_layer is 0, since the first epochs would otherwise update
/// less than all others.
///
/// Nothing is returned where `stop` was asked for on any rank. Collective. UsageError, on every rank, where
/// the configuration does not fit the corpus or the ranks.
std::optional<Measurement> measure(const mpi::Communicator& world, PretrainConfig config, MeasuredSteps steps,
                                   const StopRequest& stop);

}  // namespace terramill::train
