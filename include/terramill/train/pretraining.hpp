#pragma once

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace terramill::train {

/// Pretrains an MP-MAE as `config` says, on every rank of `world`, and leaves in config.output:
///
///     config.ini            the configuration, each value with its origin
///     run.json              what status and plots need: steps, global batch, ranks, targets
///     metrics.jsonl events/ losses, learning rate, gradient norm, rates, one line per step
///     checkpoints/          checkpoint/checkpoint.hpp
///
/// Returns kDone, or kStopped after train.stop_after or a stop signal, with a checkpoint. Collective.
/// UsageError for a configuration that does not fit the corpus or, with `resume`, the checkpoint; Error
/// naming step and loss when a loss is not finite: nothing of that step is kept, and the newest checkpoint
/// stays.
ExitCode pretrain(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table);

}  // namespace terramill::train
