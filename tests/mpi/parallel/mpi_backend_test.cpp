#include <terramill/core/error.hpp>
#include <terramill/parallel/mpi_backend.hpp>

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::parallel {
namespace {

using at::Tensor;
using RedOp = c10d::ReduceOp::RedOpType;

constexpr std::int64_t kCount = 11;

const std::vector<at::ScalarType> kReducible{at::kFloat, at::kDouble, at::kInt,      at::kLong, at::kByte,
                                             at::kChar,  at::kShort,  at::kBFloat16, at::kHalf, at::kBool};

/// What rank `rank` gives: small integers, of which sums and products are exact in every type.
Tensor given(int rank, at::ScalarType type, std::int64_t count = kCount) {
  return (torch::arange(count, at::kLong) + 2 * rank).remainder(3).to(type);
}

std::vector<Tensor> all_given(int ranks, at::ScalarType type, std::int64_t count = kCount) {
  std::vector<Tensor> all;
  for (int rank = 0; rank < ranks; ++rank) all.push_back(given(rank, type, count));
  return all;
}

Tensor reduced(const std::vector<Tensor>& all, RedOp op) {
  const at::ScalarType type = all.front().scalar_type();
  const Tensor stack = torch::stack(all).to(at::kDouble);
  switch (op) {
    case RedOp::SUM:
      return stack.sum(0).to(type);
    case RedOp::AVG:
      return (stack.sum(0) / static_cast<double>(all.size())).to(type);
    case RedOp::PRODUCT:
      return stack.prod(0).to(type);
    case RedOp::MIN:
      return stack.amin(0).to(type);
    default:
      return stack.amax(0).to(type);
  }
}

std::vector<RedOp> operations(at::ScalarType type) {
  std::vector<RedOp> all{RedOp::SUM, RedOp::PRODUCT, RedOp::MIN, RedOp::MAX};
  if (at::isFloatingType(type)) all.push_back(RedOp::AVG);
  return all;
}

/// Every test runs with whole messages and with pieces of three elements.
class MpiBackendTest : public testing::TestWithParam<std::int64_t> {
 protected:
  mpi::Communicator world = mpi::Communicator::world();
  c10::intrusive_ptr<MpiBackend> backend = c10::make_intrusive<MpiBackend>(world, GetParam());
  int rank = world.rank(), size = world.size();

  /// Average rounding may differ by an ulp of a float division.
  static void expect_same(const Tensor& actual, const Tensor& expected, RedOp op, const char* what) {
    const bool same = op == RedOp::AVG ? actual.to(at::kDouble).allclose(expected.to(at::kDouble), 1e-2)
                                       : actual.equal(expected);
    EXPECT_TRUE(same) << what << " of " << expected.scalar_type() << ", operation " << static_cast<int>(op)
                      << "\n"
                      << actual << "\n"
                      << expected;
  }
};

TEST_P(MpiBackendTest, AllReduceGivesWhatOneProcessComputes) {
  for (const auto type : kReducible) {
    for (const RedOp op : operations(type)) {
      std::vector<Tensor> tensors{given(rank, type)};
      c10d::AllreduceOptions options;
      options.reduceOp = op;
      EXPECT_TRUE(backend->allreduce(tensors, options)->wait());
      expect_same(tensors[0], reduced(all_given(size, type), op), op, "all-reduce");
    }
  }
}

TEST_P(MpiBackendTest, ReduceGivesItToTheRootAlone) {
  for (const auto type : kReducible) {
    for (const RedOp op : operations(type)) {
      std::vector<Tensor> tensors{given(rank, type)};
      c10d::ReduceOptions options;
      options.reduceOp = op;
      options.rootRank = size - 1;
      backend->reduce(tensors, options)->wait();
      const bool root = rank == size - 1;
      expect_same(tensors[0], root ? reduced(all_given(size, type), op) : given(rank, type), op, "reduce");
    }
  }
}

TEST_P(MpiBackendTest, ReduceScatterGivesEachRankItsPart) {
  for (const auto type : kReducible) {
    for (const RedOp op : operations(type)) {
      c10d::ReduceScatterOptions options;
      options.reduceOp = op;
      const Tensor expected =
          reduced(all_given(size, type, kCount * size), op).narrow(0, kCount * rank, kCount);
      Tensor input = given(rank, type, kCount * size), output = torch::zeros({kCount}, type);
      backend->_reduce_scatter_base(output, input, options)->wait();
      expect_same(output, expected, op, "reduce-scatter");
      EXPECT_TRUE(input.equal(given(rank, type, kCount * size)));

      Tensor own = input.narrow(0, kCount * rank, kCount);
      backend->_reduce_scatter_base(own, input, options)->wait();
      expect_same(own, expected, op, "reduce-scatter in place");

      std::vector<std::vector<Tensor>> lists{given(rank, type, kCount * size).chunk(size)};
      std::vector<Tensor> outputs{torch::zeros({kCount}, type)};
      backend->reduce_scatter(outputs, lists, options)->wait();
      expect_same(outputs[0], expected, op, "reduce-scatter of lists");
    }
  }
}

TEST_P(MpiBackendTest, BroadcastCopiesTheRootsTensor) {
  for (const auto type : kReducible) {
    for (int root = 0; root < size; ++root) {
      std::vector<Tensor> tensors{given(rank, type)};
      c10d::BroadcastOptions options;
      options.rootRank = root;
      backend->broadcast(tensors, options)->wait();
      EXPECT_TRUE(tensors[0].equal(given(root, type)));
    }
  }
}

TEST_P(MpiBackendTest, GathersKeepTheOrderOfRanks) {
  for (const auto type : kReducible) {
    const std::vector<Tensor> expected = all_given(size, type);
    Tensor input = given(rank, type), flat = torch::zeros({kCount * size}, type);
    backend->_allgather_base(flat, input)->wait();
    EXPECT_TRUE(flat.equal(torch::cat(expected)));

    flat.zero_();
    Tensor own = flat.narrow(0, kCount * rank, kCount).copy_(input);
    backend->_allgather_base(flat, own)->wait();
    EXPECT_TRUE(flat.equal(torch::cat(expected))) << "in place";

    std::vector<Tensor> inputs{input};
    std::vector<std::vector<Tensor>> outputs(1);
    for (int r = 0; r < size; ++r) outputs[0].push_back(torch::zeros({kCount}, type));
    backend->allgather(outputs, inputs)->wait();
    for (int r = 0; r < size; ++r)
      EXPECT_TRUE(outputs[0][static_cast<std::size_t>(r)].equal(expected[static_cast<std::size_t>(r)]));

    c10d::GatherOptions options;
    options.rootRank = size - 1;
    for (Tensor& output : outputs[0]) output.zero_();
    if (rank != size - 1) outputs.clear();
    backend->gather(outputs, inputs, options)->wait();
    for (std::size_t r = 0; !outputs.empty() && r < expected.size(); ++r)
      EXPECT_TRUE(outputs[0][r].equal(expected[r]));
  }
}

TEST_P(MpiBackendTest, ScatterGivesEachRankItsTensor) {
  std::vector<Tensor> outputs{torch::zeros({kCount}, at::kDouble)};
  std::vector<std::vector<Tensor>> inputs;
  if (rank == 0) inputs.push_back(all_given(size, at::kDouble));
  backend->scatter(outputs, inputs)->wait();
  EXPECT_TRUE(outputs[0].equal(given(rank, at::kDouble)));
}

TEST_P(MpiBackendTest, AllToAllSendsPartsOfAnySize) {
  // Rank r sends r + s + (r == s ? 0 : 1) rows to rank s, each of two numbers: 1000 r + s.
  const auto rows = [&](int from, int to) -> std::int64_t { return from == to ? 0 : from + to + 1; };
  std::vector<std::int64_t> in, out;
  std::vector<Tensor> sent{torch::empty({0, 2}, at::kFloat)}, expected{torch::empty({0, 2}, at::kFloat)};
  for (int other = 0; other < size; ++other) {
    in.push_back(rows(rank, other));
    out.push_back(rows(other, rank));
    sent.push_back(torch::full({in.back(), 2}, 1000 * rank + other, at::kFloat));
    expected.push_back(torch::full({out.back(), 2}, 1000 * other + rank, at::kFloat));
  }
  Tensor input = torch::cat(sent), want = torch::cat(expected), output = torch::zeros_like(want);
  backend->alltoall_base(output, input, out, in)->wait();
  EXPECT_TRUE(output.equal(want));

  std::vector<std::int64_t> equal_parts;
  Tensor square = torch::arange(size, at::kLong) + 100 * rank, turned = torch::zeros({size}, at::kLong);
  backend->alltoall_base(turned, square, equal_parts, equal_parts)->wait();
  EXPECT_TRUE(turned.equal(100 * torch::arange(size, at::kLong) + rank));
}

TEST_P(MpiBackendTest, WorksCompleteInTheOrderOfTheCalls) {
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  std::vector<Tensor> results;
  for (int i = 0; i < 50; ++i) {
    std::vector<Tensor> tensors{torch::full({100}, static_cast<float>(i + rank))};
    results.push_back(tensors[0]);
    works.push_back(backend->allreduce(tensors));
  }
  backend->barrier()->wait();
  for (const auto& work : works) EXPECT_TRUE(work->isCompleted());
  const int ranks = size * (size - 1) / 2;
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(
        results[static_cast<std::size_t>(i)].eq(static_cast<float>(i * size + ranks)).all().item<bool>());
  }
}

TEST_P(MpiBackendTest, RefusesWhatItCannotSend) {
  std::vector<Tensor> strided{torch::zeros({4, 4}).t()}, two{torch::zeros({1}), torch::zeros({1})};
  std::vector<Tensor> integers{torch::zeros({3}, at::kInt)};
  EXPECT_THROW(backend->allreduce(strided), UsageError);
  EXPECT_THROW(backend->allreduce(two), UsageError);
  c10d::AllreduceOptions average;
  average.reduceOp = RedOp::AVG;
  EXPECT_THROW(backend->allreduce(integers, average), UsageError);
  c10d::BroadcastOptions nobody;
  nobody.rootRank = size;
  EXPECT_THROW(backend->broadcast(integers, nobody), UsageError);
  Tensor whole = torch::zeros({3 * size + 1}), part = torch::zeros({3});
  EXPECT_THROW(backend->_allgather_base(whole, part), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Messages, MpiBackendTest, testing::Values(std::numeric_limits<int>::max(), 3),
                         [](const auto& info) { return info.param == 3 ? "InPieces" : "Whole"; });

}  // namespace
}  // namespace terramill::parallel
