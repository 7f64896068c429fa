#pragma once

#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/parallel/placement.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::checkpoint {

using parallel::NamedTensor;

/// Part of a tensor that is kept as one run of elements: of the region [range.begin, range.end) of dimension
/// `dim`, whole in the others (dim -1: of all of it), elements [begin, begin + values.numel()) in C order.
struct Piece {
  int dim = -1;
  parallel::Range range;
  std::int64_t begin = 0;
  at::Tensor values;  ///< flat, any device
};

/// The ranks that have the same part of the state.
struct Holders {
  enum class Set { kAll, kReplicas, kTensorGroup, kAlone };
  Set set = Set::kAlone;
  int holder = 0, holders = 1;  ///< which of them this is
};

/// What a rank holds of one tensor of the training state. Ranks that hold the same pieces share the writing.
struct StateTensor {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;  ///< of the whole tensor
  Holders holders;
  std::vector<Piece> pieces;

  /// Adds elements [begin, begin + values.numel()) of what `placement` puts on this rank; null: all of it.
  void add(const parallel::Placement* placement, std::int64_t begin, const at::Tensor& values);
};

/// A tensor that is whole on every one of the holders.
StateTensor whole_state(const NamedTensor& tensor, Holders holders);

/// A contiguous tensor of which `placement` puts `values` on this rank; null: all of it.
StateTensor placed_state(const std::string& name, const at::Tensor& values,
                         const parallel::Placement* placement, Holders holders);

}  // namespace terramill::checkpoint
