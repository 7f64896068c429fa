#include <terramill/core/error.hpp>
#include <terramill/train/knn.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <torch/torch.h>

namespace terramill::train {

namespace {

constexpr double kResolution = 1.0 / (std::int64_t{1} << 36);

/// Rows of length 1 in float64 on the CPU; a row of zeros stays.
at::Tensor directions(const at::Tensor& features, const char* what) {
  const at::Tensor rows = features.detach().to(at::kCPU, at::kDouble);
  if (!rows.isfinite().all().item<bool>()) {
    throw Error(std::string(what) + " are not finite", {"classify by nearest neighbours", "", ""});
  }
  return rows / rows.norm(2, {1}, true).clamp_min(1e-12);
}

/// The k highest of `similarity`, the lower index first where they are equal.
void select_nearest(const double* similarity, std::vector<std::int64_t>& order, std::int64_t k) {
  std::iota(order.begin(), order.end(), 0);
  const auto nearer = [similarity](std::int64_t a, std::int64_t b) {
    return similarity[a] != similarity[b] ? similarity[a] > similarity[b] : a < b;
  };
  std::nth_element(order.begin(), order.begin() + (k - 1), order.end(), nearer);
  std::sort(order.begin(), order.begin() + k, nearer);
}

}  // namespace

at::Tensor membership_of(const at::Tensor& labels, std::int64_t classes) {
  const at::Tensor column = labels.to(at::kCPU, at::kLong).unsqueeze(1);
  return (column == at::arange(classes, at::kLong).unsqueeze(0)).to(at::kDouble);
}

at::Tensor knn_votes(const mpi::Communicator& comm, const at::Tensor& features, const at::Tensor& membership,
                     const at::Tensor& queries, const KnnOptions& options) {
  const torch::NoGradGuard no_grad;
  if (options.k < 1 || !(options.temperature > 0)) {
    throw UsageError("k must be at least 1 and the temperature positive",
                     {"classify by nearest neighbours", "k, temperature", ""});
  }
  const std::int64_t known = features.size(0), total = queries.size(0), classes = membership.size(1);
  if (known < 1 || membership.size(0) != known || queries.size(1) != features.size(1)) {
    throw Error("features, membership and queries do not fit",
                {"classify by nearest neighbours", "", "see train/knn.hpp"});
  }
  const std::int64_t k = std::min(options.k, known);
  const at::Tensor columns = directions(features, "training features").t().contiguous();
  const at::Tensor rows = directions(queries, "test features");
  const at::Tensor belongs = membership.to(at::kCPU, at::kDouble).contiguous();
  const double* belonging = belongs.const_data_ptr<double>();

  constexpr std::int64_t kMostPerBlock = 256, kElements = 1 << 23;
  const std::int64_t block = std::clamp<std::int64_t>(kElements / known, 1, kMostPerBlock);
  const std::int64_t blocks = (total + block - 1) / block;
  std::vector<double> mine;
  std::vector<std::int64_t> order(static_cast<std::size_t>(known));
  std::vector<double> votes(static_cast<std::size_t>(classes));
  for (std::int64_t b = blocks * comm.rank() / comm.size(); b < blocks * (comm.rank() + 1) / comm.size();
       ++b) {
    const at::Tensor similarity =
        (at::mm(rows.slice(0, b * block, std::min(total, (b + 1) * block)), columns) / kResolution)
            .round()
            .mul_(kResolution)
            .contiguous();
    for (std::int64_t q = 0; q < similarity.size(0); ++q) {
      const double* row = similarity.const_data_ptr<double>() + q * known;
      select_nearest(row, order, k);
      std::fill(votes.begin(), votes.end(), 0.0);
      double all = 0;
      for (std::int64_t n = 0; n < k; ++n) {
        const std::int64_t neighbour = order[static_cast<std::size_t>(n)];
        // Divided by the nearest one's weight, which cancels in the share.
        const double weight = std::exp((row[neighbour] - row[order.front()]) / options.temperature);
        all += weight;
        for (std::int64_t c = 0; c < classes; ++c) {
          votes[static_cast<std::size_t>(c)] += weight * belonging[neighbour * classes + c];
        }
      }
      for (const double vote : votes) mine.push_back(vote / all);
    }
  }
  std::vector<double> gathered = comm.all_gather(std::span<const double>(mine));
  return at::from_blob(gathered.data(), {total, classes}, at::kDouble).clone();
}

at::Tensor rank_classes(const at::Tensor& scores, std::int64_t count) {
  const at::Tensor values = scores.to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t rows = values.size(0), classes = values.size(1), kept = std::min(count, classes);
  at::Tensor ranking = at::empty({rows, kept}, at::kLong);
  auto* out = ranking.mutable_data_ptr<std::int64_t>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(classes));
  for (std::int64_t q = 0; q < rows; ++q) {
    const double* row = values.const_data_ptr<double>() + q * classes;
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(
        order.begin(), order.begin() + kept, order.end(),
        [row](std::int64_t a, std::int64_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    out = std::copy_n(order.begin(), kept, out);
  }
  return ranking;
}

double online_knn(const mpi::Communicator& comm, const at::Tensor& features, const at::Tensor& labels,
                  const at::Tensor& queries, const at::Tensor& query_labels, const KnnOptions& options) {
  const std::int64_t classes =
      std::max(labels.max().item<std::int64_t>(), query_labels.max().item<std::int64_t>()) + 1;
  const at::Tensor votes = knn_votes(comm, features, membership_of(labels, classes), queries, options);
  const at::Tensor hits = rank_classes(votes, 1).squeeze(1) == query_labels.to(at::kCPU, at::kLong);
  return hits.to(at::kDouble).mean().item<double>();
}

}  // namespace terramill::train
