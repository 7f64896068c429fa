#include "bucket_reducer.hpp"

#include <terramill/core/activity.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace terramill::parallel {

namespace {

using at::Tensor;

Tensor part_of(const Flats& flats, const BucketRange& bucket) {
  return flats[bucket.group].narrow(0, bucket.begin, bucket.end - bucket.begin);
}

void add_up(const std::vector<TreeNode>& nodes, const std::vector<Tensor>& values) {
  sum_in_tree_order(nodes, [&](int i, int j) {
    values[static_cast<std::size_t>(i)].add_(values[static_cast<std::size_t>(j)]);
  });
}

}  // namespace

BucketReducer::BucketReducer(const Mesh& mesh, const GradientLayout& layout, ReductionOptions options)
    : mesh_(mesh), layout_(layout), options_(options), buckets_(layout.buckets.size()) {}

/// This replica's share of a bucket.
Tensor BucketReducer::share_of(const Tensor& bucket) const {
  const std::int64_t share = bucket.numel() / mesh_.dp();
  return bucket.narrow(0, share * mesh_.replica(), share);
}

void BucketReducer::begin(int micro_batches) {
  micro_batches_ = micro_batches;
  exposed_ = 0;
  folded_.clear();
  rounds_ = 0;
  for (int d = 0; d < mesh_.dp(); ++d) {
    const MicroBatchRange range = micro_batch_range(d, mesh_.dp(), micro_batches);
    folded_.push_back(fold(range.begin, range.end));
    rounds_ = std::max(rounds_, folded_.back().size());
  }
}

void BucketReducer::prepare(Flats open, std::vector<Flats> merge_into, std::vector<Flats> parts) {
  open_ = std::move(open);
  merge_into_ = std::move(merge_into);
  parts_ = std::move(parts);
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    buckets_[b] = {layout_.buckets[b].parameters, {}, {}, {}};
  }
  launched_ = 0;
}

void BucketReducer::settle(const Slot& slot) {
  for (std::size_t b = slot.first_bucket; b <= slot.last_bucket; ++b) --buckets_[b].missing;
  const auto& order = layout_.backward_order;
  while (launched_ < order.size() && buckets_[order[launched_]].missing == 0) launch(order[launched_++]);
}

void BucketReducer::launch(std::size_t b) {
  const BucketRange& bucket = layout_.buckets[b];
  const Flats* top = &open_;
  for (const Flats& below : merge_into_) {
    part_of(below, bucket).add_(part_of(*top, bucket));
    top = &below;
  }
  if (mesh_.dp() == 1) return;
  if (options_.reduction == Reduction::kFast) {
    launch_sum(b);
  } else {
    exchange(b);
  }
}

void BucketReducer::launch_sum(std::size_t b) {
  Tensor whole = part_of(parts_.front(), layout_.buckets[b]);
  if (whole.scalar_type() == at::kFloat && options_.wire != at::kFloat) {
    whole = buckets_[b].narrowed = whole.to(options_.wire);
  }
  if (options_.sharded) {
    Tensor own = share_of(whole);
    buckets_[b].works.push_back(mesh_.dp_group()->_reduce_scatter_base(own, whole));
  } else {
    std::vector<Tensor> tensors{whole};
    buckets_[b].works.push_back(mesh_.dp_group()->allreduce(tensors));
  }
}

/// Takes a sum from the wire.
void BucketReducer::widen(std::size_t b) {
  Bucket& bucket = buckets_[b];
  if (!bucket.narrowed.defined()) return;
  const Tensor whole = part_of(parts_.front(), layout_.buckets[b]);
  if (options_.sharded) {
    share_of(whole).copy_(share_of(bucket.narrowed));
  } else {
    whole.copy_(bucket.narrowed);
  }
  bucket.narrowed.reset();
}

/// Sends slice s of each of this replica's nodes to replica s and takes its own slice of theirs, a node at a
/// time.
void BucketReducer::exchange(std::size_t b) {
  const BucketRange& bucket = layout_.buckets[b];
  const std::int64_t slice = (bucket.end - bucket.begin) / mesh_.dp();
  for (std::size_t round = 0; round < rounds_; ++round) {
    std::vector<std::int64_t> take;
    for (const auto& nodes : folded_) take.push_back(round < nodes.size() ? slice : 0);
    const bool mine = round < parts_.size();
    std::vector<std::int64_t> give(folded_.size(), mine ? slice : 0);
    Tensor input = part_of(parts_[mine ? round : 0], bucket);
    if (!mine) input = input.narrow(0, 0, 0);
    const auto givers = std::count_if(take.begin(), take.end(), [](std::int64_t size) { return size > 0; });
    Tensor output = at::empty({slice * givers}, input.options());
    buckets_[b].works.push_back(mesh_.dp_group()->alltoall_base(output, input, take, give));
    buckets_[b].received.push_back(output);
  }
}

/// Adds the slices received in the tree's order and, unless they stay sharded, starts to gather the means.
void BucketReducer::combine(std::size_t b) {
  const BucketRange& bucket = layout_.buckets[b];
  const std::int64_t slice = (bucket.end - bucket.begin) / mesh_.dp();
  std::vector<TreeNode> nodes;
  std::vector<Tensor> slices;
  std::vector<std::int64_t> givers(rounds_, 0);
  for (const auto& replica : folded_) {
    for (std::size_t round = 0; round < replica.size(); ++round) {
      nodes.push_back(replica[round]);
      slices.push_back(buckets_[b].received[round].narrow(0, slice * givers[round]++, slice));
    }
  }
  add_up(nodes, slices);
  Tensor whole = part_of(parts_.front(), bucket);
  Tensor own = share_of(whole);
  own.copy_(slices.front().mul_(1.0 / micro_batches_));
  buckets_[b].received.clear();
  if (!options_.sharded) buckets_[b].works.push_back(mesh_.dp_group()->_allgather_base(whole, own));
}

void BucketReducer::add_up_own() {
  for (std::size_t g = 0; g < layout_.sizes.size(); ++g) {
    std::vector<Tensor> values;
    for (const Flats& part : parts_) values.push_back(part[g]);
    add_up(folded_.front(), values);
  }
}

void BucketReducer::launch_mask(std::vector<std::uint8_t>& used) {
  if (mesh_.dp() == 1) return;
  mask_ = at::from_blob(used.data(), {static_cast<std::int64_t>(used.size())}, at::kByte)
              .to(mesh_.device(), at::kByte, /*non_blocking=*/false, /*copy=*/true);
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  std::vector<Tensor> tensors{mask_};
  mask_work_.push_back(mesh_.dp_group()->allreduce(tensors, options));
}

void BucketReducer::wait(std::vector<Work>& works) {
  const auto start = std::chrono::steady_clock::now();
  for (const Work& work : std::exchange(works, {})) work->wait();
  exposed_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Flats BucketReducer::finish(std::vector<std::uint8_t>& used) {
  const bool alone = mesh_.dp() == 1, exact = options_.reduction == Reduction::kExact;
  if (alone && exact) add_up_own();
  if (!alone) {
    for (const std::size_t b : layout_.backward_order) {
      Activity activity("complete the gradients");
      activity.with("bucket", static_cast<std::int64_t>(b));
      wait(buckets_[b].works);
      if (exact) {
        combine(b);
      } else {
        widen(b);
      }
    }
    wait(mask_work_);
    const Tensor mask = mask_.cpu();
    std::copy_n(mask.const_data_ptr<std::uint8_t>(), used.size(), used.begin());
    for (Bucket& bucket : buckets_) wait(bucket.works);
  }
  if (alone || !exact) {
    for (const Tensor& flat : parts_.front()) flat.mul_(1.0 / micro_batches_);
  }
  Flats mean = std::move(parts_.front());
  parts_.clear();
  merge_into_.clear();
  open_.clear();
  return mean;
}

}  // namespace terramill::parallel
