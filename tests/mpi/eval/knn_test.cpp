#include <terramill/core/error.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/train/knn.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::train {
namespace {

at::Tensor random_rows(std::int64_t count, std::int64_t width, std::uint64_t seed) {
  PhiloxStream random(seed, Purpose::kTest);
  at::Tensor rows = at::empty({count, width}, at::kDouble);
  double* values = rows.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < count * width; ++i) values[i] = random.normal();
  return rows;
}

at::Tensor row(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).view({1, static_cast<std::int64_t>(values.size())});
}

/// The rule, one query at a time.
at::Tensor brute_force(const at::Tensor& features, const at::Tensor& membership, const at::Tensor& queries,
                       const KnnOptions& options) {
  std::vector<at::Tensor> votes;
  for (std::int64_t q = 0; q < queries.size(0); ++q) {
    std::vector<std::pair<double, std::int64_t>> all;
    for (std::int64_t i = 0; i < features.size(0); ++i) {
      const double dot = (features[i] * queries[q]).sum().item<double>();
      all.emplace_back(-dot / (features[i].norm() * queries[q].norm()).item<double>(), i);
    }
    std::sort(all.begin(), all.end());
    at::Tensor sum = at::zeros({membership.size(1)}, at::kDouble);
    double weights = 0;
    for (std::int64_t n = 0; n < std::min<std::int64_t>(options.k, features.size(0)); ++n) {
      const double weight = std::exp(-all[static_cast<std::size_t>(n)].first / options.temperature);
      sum += weight * membership[all[static_cast<std::size_t>(n)].second];
      weights += weight;
    }
    votes.push_back(sum / weights);
  }
  return at::stack(votes);
}

class Knn : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  const mpi::Communicator world_ = mpi::Communicator::world();
};

TEST_F(Knn, VotesEqualThoseOfTheRuleWrittenOut) {
  const at::Tensor features = random_rows(60, 5, 1), queries = random_rows(17, 5, 2);
  const at::Tensor membership = (random_rows(60, 4, 3) > 0).to(at::kDouble);
  for (const std::int64_t k : {1, 7, 60, 100}) {
    const KnnOptions options{k, 0.07};
    const at::Tensor votes = knn_votes(world_, features, membership, queries, options);
    EXPECT_TRUE(at::allclose(votes, brute_force(features, membership, queries, options), 1e-7, 1e-9));
  }
}

TEST_F(Knn, OfEqualNeighboursTheLowerIndexIsNearer) {
  // Rows 1 and 2 point the same way and are equally near; so do 0 and 3, further off.
  const at::Tensor features = at::cat({row({0, 1}), row({3, 1}), row({6, 2}), row({0, 5})});
  const at::Tensor membership = at::eye(4, at::kDouble);
  const at::Tensor one = knn_votes(world_, features, membership, row({1, 0}), {1, 0.07});
  EXPECT_TRUE(at::equal(one, row({0, 1, 0, 0})));
  const at::Tensor three = knn_votes(world_, features, membership, row({1, 0}), {3, 0.07});
  EXPECT_EQ(three[0][1].item<double>(), three[0][2].item<double>());
  EXPECT_GT(three[0][0].item<double>(), 0);
  EXPECT_EQ(three[0][3].item<double>(), 0);
}

TEST_F(Knn, WithSeveralLabelsEachClassIsABinaryVote) {
  const at::Tensor features = at::cat({row({1, 0}), row({1, 0.01}), row({0, 1})});
  const at::Tensor membership = at::cat({row({1, 1}), row({1, 0}), row({0, 1})});
  const at::Tensor votes = knn_votes(world_, features, membership, row({1, 0}), {3, 0.07});
  EXPECT_GT(votes[0][0].item<double>(), 0.99);
  EXPECT_NEAR(votes[0][1].item<double>(), 0.5, 0.01);
}

TEST_F(Knn, BitsDoNotDependOnTheNumberOfRanks) {
  const at::Tensor features = random_rows(500, 16, 1), queries = random_rows(700, 16, 2);
  const at::Tensor membership = (random_rows(500, 4, 3) > 0).to(at::kDouble);
  const at::Tensor together = knn_votes(world_, features, membership, queries, {});
  const at::Tensor alone = knn_votes(mpi::Communicator::self(), features, membership, queries, {});
  EXPECT_TRUE(at::equal(together, alone));
}

TEST_F(Knn, OnlineAccuracyCountsQueriesWhoseLabelWins) {
  const at::Tensor features = at::cat({row({1, 0}), row({0, 1})});
  const at::Tensor labels = at::tensor(std::vector<std::int64_t>{0, 1}, at::kLong);
  const at::Tensor queries = at::cat({row({2, 1}), row({1, 2}), row({1, 3}), row({3, 1})});
  const at::Tensor truth = at::tensor(std::vector<std::int64_t>{0, 1, 0, 0}, at::kLong);
  EXPECT_EQ(online_knn(world_, features, labels, queries, truth, {1, 0.07}), 0.75);
}

TEST_F(Knn, RefusesFeaturesThatAreNotFinite) {
  const at::Tensor features = row({1, std::numeric_limits<double>::quiet_NaN()});
  EXPECT_THROW(knn_votes(world_, features, row({1}), row({1, 0}), {}), Error);
}

}  // namespace
}  // namespace terramill::train
