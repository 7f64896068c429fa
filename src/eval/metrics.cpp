#include <terramill/core/error.hpp>
#include <terramill/eval/metrics.hpp>
#include <terramill/train/knn.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <torch/torch.h>

namespace terramill::eval {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Counts of a class.
struct Cell {
  double hit = 0, false_alarm = 0, missed = 0;
  double f1() const { return 2 * hit / (2 * hit + false_alarm + missed); }
  bool occurs() const { return hit + false_alarm + missed > 0; }
};

double macro_f1(const std::vector<Cell>& cells) {
  double sum = 0, count = 0;
  for (const Cell& cell : cells) {
    if (!cell.occurs()) continue;
    sum += cell.f1();
    ++count;
  }
  return count == 0 ? kNaN : sum / count;
}

double micro_f1(const std::vector<Cell>& cells) {
  Cell all;
  for (const Cell& cell : cells) {
    all.hit += cell.hit;
    all.false_alarm += cell.false_alarm;
    all.missed += cell.missed;
  }
  return all.occurs() ? all.f1() : kNaN;
}

/// How often tile i counts.
class Times {
 public:
  explicit Times(std::span<const std::uint32_t> times) : times_(times) {}
  double operator()(std::size_t i) const { return times_.empty() ? 1 : times_[i]; }

 private:
  std::span<const std::uint32_t> times_;
};

double average_precision(const Answers& answers, std::int64_t c, const Times& times) {
  const auto classes = static_cast<std::size_t>(answers.classes), column = static_cast<std::size_t>(c);
  const std::uint32_t* order = answers.order.data() + c * answers.tiles;
  const auto score = [&](std::int64_t i) { return answers.scores[order[i] * classes + column]; };
  double seen = 0, hits = 0, counted = 0, sum = 0;  // sum of precision x new hits
  for (std::int64_t i = 0; i < answers.tiles; ++i) {
    const double weight = times(order[i]);
    seen += weight;
    if (answers.truth_bits[order[i] * classes + column] != 0) hits += weight;
    const bool last_of_score = i + 1 == answers.tiles || score(i + 1) != score(i);
    if (last_of_score && seen > 0) {
      sum += hits / seen * (hits - counted);
      counted = hits;
    }
  }
  return hits == 0 ? kNaN : sum / hits;
}

std::vector<double> single_label_metrics(const Answers& answers, const Times& times) {
  std::vector<Cell> cells(static_cast<std::size_t>(answers.classes));
  double all = 0, top = 0;
  for (std::size_t i = 0; i < answers.truth.size(); ++i) {
    const double weight = times(i);
    all += weight;
    top += weight * answers.among_top[i];
    Cell& truth = cells[static_cast<std::size_t>(answers.truth[i])];
    if (answers.truth[i] == answers.predicted[i]) {
      truth.hit += weight;
    } else {
      truth.missed += weight;
      cells[static_cast<std::size_t>(answers.predicted[i])].false_alarm += weight;
    }
  }
  double hits = 0;
  for (const Cell& cell : cells) hits += cell.hit;
  return {hits / all, top / all, macro_f1(cells), micro_f1(cells)};
}

std::vector<double> multi_label_metrics(const Answers& answers, const Times& times) {
  const auto classes = static_cast<std::size_t>(answers.classes);
  std::vector<Cell> cells(classes);
  for (std::size_t i = 0; i < static_cast<std::size_t>(answers.tiles); ++i) {
    const double weight = times(i);
    for (std::size_t c = 0; c < classes; ++c) {
      const bool truth = answers.truth_bits[i * classes + c] != 0;
      const bool predicted = answers.predicted_bits[i * classes + c] != 0;
      if (truth && predicted) cells[c].hit += weight;
      if (truth && !predicted) cells[c].missed += weight;
      if (!truth && predicted) cells[c].false_alarm += weight;
    }
  }
  double sum = 0, count = 0;
  for (std::int64_t c = 0; c < answers.classes; ++c) {
    const double precision = average_precision(answers, c, times);
    if (std::isnan(precision)) continue;
    sum += precision;
    ++count;
  }
  return {micro_f1(cells), macro_f1(cells), count == 0 ? kNaN : sum / count};
}

void check_shapes(const at::Tensor& scores, const at::Tensor& membership) {
  if (scores.dim() != 2 || scores.sizes() != membership.sizes()) {
    throw Error("scores and truth have different shapes", {"compare predictions with the truth", "", ""});
  }
}

}  // namespace

Answers single_label_answers(const at::Tensor& scores, const at::Tensor& membership, std::int64_t top) {
  check_shapes(scores, membership);
  Answers answers;
  answers.tiles = scores.size(0);
  answers.classes = scores.size(1);
  const std::int64_t kept = std::min(std::clamp<std::int64_t>(top, 1, 5), answers.classes);
  const at::Tensor ranking = train::rank_classes(scores, kept), truth = membership.argmax(1).contiguous();
  const auto* ranked = ranking.const_data_ptr<std::int64_t>();
  const auto* label = truth.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < answers.tiles; ++i, ranked += kept, ++label) {
    answers.truth.push_back(static_cast<std::int32_t>(*label));
    answers.predicted.push_back(static_cast<std::int32_t>(*ranked));
    answers.among_top.push_back(std::find(ranked, ranked + kept, *label) != ranked + kept ? 1 : 0);
  }
  return answers;
}

Answers multi_label_answers(const at::Tensor& scores, const at::Tensor& membership, double threshold) {
  check_shapes(scores, membership);
  Answers answers;
  answers.multi_label = true;
  answers.tiles = scores.size(0);
  answers.classes = scores.size(1);
  const at::Tensor values = scores.to(at::kDouble).contiguous();
  answers.scores.assign(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  for (const double score : answers.scores) answers.predicted_bits.push_back(score > threshold ? 1 : 0);
  const at::Tensor truth = membership.to(at::kByte).contiguous();
  answers.truth_bits.assign(truth.const_data_ptr<std::uint8_t>(),
                            truth.const_data_ptr<std::uint8_t>() + truth.numel());
  std::vector<std::uint32_t> order(static_cast<std::size_t>(answers.tiles));
  for (std::int64_t c = 0; c < answers.classes; ++c) {
    const auto score = [&](std::uint32_t i) {
      return answers.scores[i * static_cast<std::size_t>(answers.classes) + static_cast<std::size_t>(c)];
    };
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return score(a) > score(b); });
    answers.order.insert(answers.order.end(), order.begin(), order.end());
  }
  return answers;
}

const std::vector<std::string>& metric_names(bool multi_label) {
  static const std::vector<std::string> single = {"accuracy", "top5", "macro_f1", "micro_f1"};
  static const std::vector<std::string> multi = {"micro_f1", "macro_f1", "mAP"};
  return multi_label ? multi : single;
}

std::vector<double> metrics(const Answers& answers, std::span<const std::uint32_t> times) {
  return answers.multi_label ? multi_label_metrics(answers, Times(times))
                             : single_label_metrics(answers, Times(times));
}

std::vector<std::vector<std::int64_t>> confusion(const Answers& answers) {
  const auto classes = static_cast<std::size_t>(answers.classes);
  std::vector<std::vector<std::int64_t>> table(classes, std::vector<std::int64_t>(classes, 0));
  for (std::size_t i = 0; i < answers.truth.size(); ++i) {
    ++table[static_cast<std::size_t>(answers.truth[i])][static_cast<std::size_t>(answers.predicted[i])];
  }
  return table;
}

}  // namespace terramill::eval
