#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::eval {

/// What a classifier says of the test tiles, with the truth: all that metrics are made of.
struct Answers {
  bool multi_label = false;
  std::int64_t tiles = 0, classes = 0;
  // One label per tile.
  std::vector<std::int32_t> truth, predicted;  ///< [tiles]
  std::vector<std::uint8_t> among_top;         ///< [tiles]: 1 where the truth is among the first five
  // Several labels.
  std::vector<std::uint8_t> truth_bits, predicted_bits;  ///< [tiles, classes]
  std::vector<double> scores;                            ///< [tiles, classes]
  std::vector<std::uint32_t> order;                      ///< [classes, tiles]: tiles by falling score
};

/// From scores [Q, C] and the truth's membership [Q, C] of 0 and 1. `top`: how many classes the number top5
/// looks at (DINO's kNN: at most k). The lower class wins a tie.
Answers single_label_answers(const at::Tensor& scores, const at::Tensor& membership, std::int64_t top = 5);
/// A class is predicted where its score exceeds `threshold`.
Answers multi_label_answers(const at::Tensor& scores, const at::Tensor& membership, double threshold);

/// Names of what `metrics` gives: accuracy, top5, macro_f1, micro_f1; with several labels micro_f1, macro_f1,
/// mAP.
const std::vector<std::string>& metric_names(bool multi_label);

/// The metrics of a sample that holds tile i `times[i]` times; empty: each once.
///
/// F1 of a class is 2 TP / (2 TP + FP + FN); macro: the mean over classes that occur in truth or predictions;
/// micro: of the sums over classes, which for single labels is the accuracy. Average precision is the sum of
/// precision x rise of recall over distinct scores, from the highest (scikit-learn's
/// average_precision_score); mAP its mean over classes that occur in the truth. NaN where nothing occurs.
std::vector<double> metrics(const Answers& answers, std::span<const std::uint32_t> times = {});

/// Tiles by true class (row) and predicted class (column) [classes, classes]; single labels.
std::vector<std::vector<std::int64_t>> confusion(const Answers& answers);

}  // namespace terramill::eval
