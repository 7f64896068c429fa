#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::eval {

/// The 16 learning rates of Galileo's probe: 1, 3, 5, 8 times 1e-4, 1e-3, 1e-2, 1e-1.
std::vector<double> probe_learning_rates();

/// Galileo's linear probe (nasaharvest/galileo, src/eval/linear_probe.py). The types are those of
/// OptionTable.
struct ProbeOptions {
  int epochs = 50;
  int batch_size = 64;
  double warmup_share = 0.1;  ///< of the epochs, linear
  double min_lr = 1e-5;       ///< at the end of the cosine
  double weight_decay = 0.01;
  std::string class_weights = "none";  ///< or "balanced": N / (C n_c) for class c of the loss
  std::vector<double> learning_rates = probe_learning_rates();
};

/// Features [N, d] with the membership [N, C] of 0 and 1.
struct ProbeSamples {
  at::Tensor features, membership;
};

struct ProbeResult {
  at::Tensor scores;         ///< [Q, C] float64: logits of the queries
  double learning_rate = 0;  ///< the one chosen
  std::vector<double>
      validation;  ///< per learning rate: accuracy or micro F1 on `validation`; -1: it diverged
};

/// Trains BatchNorm1d and a linear layer once for each learning rate, all at the same time: same batches,
/// same initial weights (LibTorch's defaults). AdamW with betas 0.9 and 0.999; the rate follows
/// train::CosineSchedule by step. Loss: cross entropy, or MultiLabelSoftMarginLoss where `multi_label`. The
/// learning rate of highest accuracy (micro F1) on `validation` after the last epoch is chosen, the lower of
/// equal ones, and classifies `queries` [Q, d]. Weights come from Philox(seed, kInitialisation), the order of
/// the samples from Philox(seed, kShuffle, epoch). UsageError for an option out of its range or without
/// validation samples.
ProbeResult linear_probe(const ProbeSamples& training, const ProbeSamples& validation,
                         const at::Tensor& queries, bool multi_label, const ProbeOptions& options,
                         std::uint64_t seed);

}  // namespace terramill::eval
