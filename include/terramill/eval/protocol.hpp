#pragma once

#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/eval/extraction.hpp>
#include <terramill/eval/feature_model.hpp>
#include <terramill/eval/labels.hpp>
#include <terramill/eval/linear_probe.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/train/knn.hpp>

#include <cstdint>
#include <iosfwd>
#include <string>

namespace terramill::eval {

enum class Classifier { kKnn, kLinear };

/// An evaluation of frozen features. The types are those of OptionTable.
struct EvaluationOptions {
  FeatureModelOptions model;  ///< `seed` and `untrained` are set by the protocol
  std::string checkpoint, corpus;
  std::string pooling = "auto";  ///< "cls", "mean"; auto: cls of a TerraFM, mean of an MP-MAE
  LabelOptions labels;
  ExtractionOptions extraction;
  std::int64_t k = 20;
  double knn_temperature = 0.07;
  ProbeOptions probe;
  std::int64_t seed = 0;
  int seeds = 1;         ///< of untrained weights and probes: seed, seed + 1, …
  int bootstrap = 1000;  ///< resamples
  int intra_op_threads = 1;
};

/// Declares the options of `eval knn` or `eval linear`.
void add_options(OptionTable& table, EvaluationOptions& options, Classifier classifier);

/// Classifies the test tiles of a labelled corpus by the features of three models: the checkpoint's, the same
/// architecture with untrained weights, and plain band statistics, and compares them by paired bootstrap. The
/// result is all there is to say, without times or ranks: equal bytes for any number of ranks. UsageError for
/// options out of range or that do not fit run and corpus. Collective.
Json evaluate(const mpi::Communicator& comm, const EvaluationOptions& options, Classifier classifier);

/// The result of `evaluate` as a table for people.
void print_table(std::ostream& out, const Json& result);

}  // namespace terramill::eval
