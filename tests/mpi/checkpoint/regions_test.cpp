#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/parallel/placement.hpp>

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

using parallel::Placement;
using parallel::Range;
using terramill::testing::SharedScratch;

constexpr std::int64_t kHeads = 5, kWidth = 3;

Range part(std::int64_t count, int rank, int size) {
  return {count * rank / size, count * (rank + 1) / size};
}

/// A tensor whose elements all differ, and how rank `rank` of `size` has it.
struct Invented {
  std::string name;
  at::Tensor whole;
  std::optional<Placement> placement;
};

std::vector<Invented> invented(int rank, int size) {
  const auto numbers = [](at::IntArrayRef shape) {
    return torch::arange(c10::multiply_integers(shape), at::kDouble).view(shape);
  };
  const Range heads = part(kHeads, rank, size), columns = part(14, rank, size), rows = part(11, rank, size);
  std::vector<Range> qkv;
  for (std::int64_t block = 0; block < 3; ++block) {
    const std::int64_t start = block * kHeads * kWidth;
    qkv.push_back({start + heads.begin * kWidth, start + heads.end * kWidth});
  }
  return {{"qkv", numbers({3 * kHeads * kWidth, 4}), Placement{{3 * kHeads * kWidth, 4}, 0, qkv, false}},
          {"row", numbers({6, 14}), Placement{{6, 14}, 1, {columns}, false}},
          {"grn", numbers({1, 1, 1, 14}), Placement{{1, 1, 1, 14}, 3, {columns}, false}},
          {"column", numbers({11, 2, 3}), Placement{{11, 2, 3}, 0, {rows}, false}},
          {"norm", numbers({9}), std::nullopt}};
}

const Placement* placement_of(const Invented& tensor) {
  return tensor.placement ? &*tensor.placement : nullptr;
}

at::Tensor local(const Invented& tensor) {
  return tensor.placement ? tensor.placement->part_of(tensor.whole) : tensor.whole.clone();
}

/// What rank (replica, r) of dp x tp holds: of "m.*" its share of the replicas' elements alone.
std::vector<StateTensor> state_of(int replica, int dp, int r, int tp, std::vector<at::Tensor>* values) {
  std::vector<StateTensor> state;
  for (const Invented& tensor : invented(r, tp)) {
    const Placement* placement = placement_of(tensor);
    at::Tensor own = local(tensor);
    values->push_back(own);
    const Holders all{Holders::Set::kAll, replica * tp + r, dp * tp},
        replicas{Holders::Set::kReplicas, replica, dp};
    const Holders group{Holders::Set::kTensorGroup, r, tp};
    state.push_back(placed_state("model." + tensor.name, own, placement, placement ? replicas : all));
    StateTensor moment{
        "m." + tensor.name, at::kDouble, tensor.whole.sizes().vec(), placement ? Holders() : group, {}};
    const Range share = part(own.numel(), replica, dp);
    // In two runs, as the buckets cut it.
    for (const Range run : {Range{share.begin, share.begin + share.size() / 3},
                            Range{share.begin + share.size() / 3, share.end}}) {
      if (run.size() > 0) moment.add(placement, run.begin, own.view({-1}).narrow(0, run.begin, run.size()));
    }
    state.push_back(std::move(moment));
  }
  return state;
}

TEST(CheckpointRegions, WhatAnyLayoutWritesAnyLayoutReads) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  for (int tp = 1; tp <= world.size(); ++tp) {
    if (world.size() % tp != 0) continue;
    const int dp = world.size() / tp;
    std::vector<at::Tensor> written;
    const auto run = scratch.path() / std::to_string(tp);
    const Reader reader(save(world, run, 3, state_of(world.rank() / tp, dp, world.rank() % tp, tp, &written),
                             Json::object()));
    EXPECT_TRUE(find_latest(world, run).has_value());
    for (const Invented& tensor : invented(0, 1)) {
      for (const std::string prefix : {"model.", "m."}) {
        EXPECT_TRUE(reader.read(prefix + tensor.name).equal(tensor.whole))
            << prefix << tensor.name << " of tp " << tp;
      }
    }
    for (const auto& [new_dp, new_tp] : {std::pair{1, 1}, {1, 2}, {3, 1}, {2, 3}, {2, 5}}) {
      for (int rank = 0; rank < new_dp * new_tp; ++rank) {
        std::vector<at::Tensor> values;
        const auto wanted = state_of(rank / new_tp, new_dp, rank % new_tp, new_tp, &values);
        const auto expected = invented(rank % new_tp, new_tp);
        for (const at::Tensor& value : values) value.fill_(-1);
        for (const StateTensor& tensor : wanted) {
          if (tensor.name.starts_with("model.")) reader.read_into(tensor);
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
          EXPECT_TRUE(values[i].equal(local(expected[i])))
              << expected[i].name << " on " << new_dp << " x " << new_tp;
          values[i].fill_(-1);
        }
        for (const StateTensor& tensor : wanted) {
          if (tensor.name.starts_with("m.")) reader.read_into(tensor);
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
          const Range share = part(values[i].numel(), rank / new_tp, new_dp);
          const auto own = [&](const at::Tensor& t) {
            return t.view({-1}).narrow(0, share.begin, share.size());
          };
          EXPECT_TRUE(own(values[i]).equal(own(local(expected[i])))) << "moments of " << expected[i].name;
        }
      }
    }
  }
}

TEST(CheckpointRegions, EveryElementIsStoredOnce) {
  const mpi::Communicator world = mpi::Communicator::world();
  if (world.size() != 4) GTEST_SKIP() << "for 2 x 2 ranks";
  const SharedScratch scratch(world);
  std::vector<at::Tensor> written;
  const Reader reader(save(world, scratch.path(), 3,
                           state_of(world.rank() / 2, 2, world.rank() % 2, 2, &written), Json::object()));
  for (const TensorEntry& entry : reader.tensors()) {
    std::int64_t stored = 0;
    for (const Slice& slice : entry.slices) stored += slice.end - slice.begin;
    EXPECT_EQ(stored, c10::multiply_integers(entry.shape)) << entry.name;
  }
}

}  // namespace
}  // namespace terramill::checkpoint
