#pragma once

#include <terramill/core/options.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <string>
#include <vector>

namespace terramill::cli {

/// `[bench]`: what a sweep varies and how often it measures. Texts are comma-separated lists; an empty one
/// leaves the configuration's own value.
struct SweepOptions {
  std::string corpora;  ///< besides --corpus
  std::string tp, zero, micro_batch_size;
  std::string scaling = "strong";  ///< "strong", "weak" or "both"
  int weak_micro_batches = 2;      ///< of a replica, in weak scaling
  int repeat = 3, warmup = 2, steps = 5;
  std::string name;  ///< of the configuration, in the points
};
void add_options(OptionTable& table, SweepOptions& options);
/// UsageError, naming the option, for a value out of its range.
void validate(const SweepOptions& options);

/// One combination of what a sweep varies.
struct Trial {
  std::string corpus, codec;
  bool weak = false, zero = false;
  int tp = 1, micro_batch_size = 1;
  int micro_batches = 0;  ///< of the global batch
  std::string refusal{};  ///< why it cannot be measured on these ranks; empty: it can

  /// One line for people.
  std::string text() const;
};

/// Every combination on `ranks` ranks, the last-named option varying fastest. Strong scaling keeps the
/// configuration's global batch; weak scaling gives every replica `weak_micro_batches` micro-batches.
/// UsageError, IoError, FormatError for a corpus that cannot be opened, and for lists that cannot be read.
std::vector<Trial> plan_sweep(const SweepOptions& options, const train::PretrainConfig& config, int ranks);

/// The configuration of a trial.
train::PretrainConfig config_of(const Trial& trial, train::PretrainConfig config);

}  // namespace terramill::cli
