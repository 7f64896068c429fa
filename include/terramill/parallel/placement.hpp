#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::parallel {

/// Positions [begin, end).
struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const noexcept { return end - begin; }
};

/// How a parameter lies on a rank of a tensor-parallel group: `ranges` of its dimension `dim`, in order,
/// whole in every other; or all of it. Several ranges need dim 0: the query, key and value rows of some
/// heads, say.
struct Placement {
  std::vector<std::int64_t> shape;  ///< of the whole parameter
  int dim = -1;                     ///< -1: whole on every rank
  std::vector<Range> ranges;
  /// Whether each rank's gradient is but a part of a sum over the group: of a parameter that is whole on
  /// every rank and used on some rows, or some channels, only.
  bool partial_gradient = false;

  bool split() const noexcept { return dim >= 0; }
  /// What of the whole parameter lies here, contiguous.
  at::Tensor part_of(const at::Tensor& whole) const;
};

/// By parameter name; one that is not named is whole and has its whole gradient on every rank.
using Placements = std::map<std::string, Placement>;

/// Null where `name` is not listed.
const Placement* find(const Placements& placements, const std::string& name);

}  // namespace terramill::parallel
