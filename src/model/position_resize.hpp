#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include <ATen/core/Tensor.h>

namespace terramill::model {

/// The matrix [n, N] that resizes a grid of side × side cells to rows × columns (resize_positions of
/// terrafm.hpp), in double on the CPU.
at::Tensor position_matrix(std::int64_t side, std::int64_t rows, std::int64_t columns);

/// resize_positions with its matrices kept, one per image size. Not for several threads at once.
class PositionResizer {
 public:
  at::Tensor operator()(const at::Tensor& positions, std::int64_t height, std::int64_t width,
                        std::int64_t patch_size);

 private:
  std::map<std::pair<std::int64_t, std::int64_t>, at::Tensor> matrices_;  // by rows, columns
};

}  // namespace terramill::model
