#pragma once

#include "gradient_layout.hpp"
#include "reduction_tree.hpp"

#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <vector>

namespace terramill::parallel {

/// A flat buffer per parameter group.
using Flats = std::vector<at::Tensor>;

/// Sums the replicas' shares of a global batch, a bucket at a time, while the last backward pass still fills
/// the others.
class BucketReducer {
 public:
  /// Both references must outlive the reducer.
  BucketReducer(const Mesh& mesh, const GradientLayout& layout, ReductionOptions options);

  void begin(int micro_batches);

  /// Before the last micro-batch's gradients come into `open`: when a bucket is complete, it is added into
  /// `merge_into`, one after the other; `parts` are then the nodes that this replica ends with (for `fast`
  /// the sum alone).
  void prepare(Flats open, std::vector<Flats> merge_into, std::vector<Flats> parts);

  /// A parameter's slot is as it will be; launches what that completes, in the layout's backward order.
  void settle(const Slot& slot);

  /// After all slots: launches the mask of used parameters.
  void launch_mask(std::vector<std::uint8_t>& used);

  /// Completes everything. Returns the buffers that hold the mean over micro-batches, sharded in this
  /// replica's share of each bucket only: the first of the parts.
  Flats finish(std::vector<std::uint8_t>& used);

  /// Seconds of the last step in which this thread waited.
  double exposed_seconds() const noexcept { return exposed_; }

 private:
  using Work = c10::intrusive_ptr<c10d::Work>;
  struct Bucket {
    int missing = 0;  ///< parameters whose gradient has not come
    std::vector<Work> works;
    at::Tensor narrowed;  ///< the bucket in the type of the wire, where that is narrower
    std::vector<at::Tensor>
        received;  ///< exact: by round, this rank's slice of each replica's node of that round
  };

  void launch(std::size_t b);
  void launch_sum(std::size_t b);
  void widen(std::size_t b);
  at::Tensor share_of(const at::Tensor& bucket) const;
  void exchange(std::size_t b);
  void combine(std::size_t b);
  void add_up_own();
  void wait(std::vector<Work>& works);

  const Mesh& mesh_;
  const GradientLayout& layout_;
  ReductionOptions options_;
  int micro_batches_ = 0;
  std::vector<std::vector<TreeNode>> folded_;  // the nodes each replica ends with
  std::size_t rounds_ = 0;                     // the most of any replica
  Flats open_;
  std::vector<Flats> merge_into_, parts_;
  std::vector<Bucket> buckets_;
  std::size_t launched_ = 0;  // buckets of the backward order
  at::Tensor mask_;
  std::vector<Work> mask_work_;
  double exposed_ = 0;
};

}  // namespace terramill::parallel
