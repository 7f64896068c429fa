#include "position_resize.hpp"

#include <terramill/model/precision.hpp>
#include <terramill/model/terrafm.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kCubic = -0.75;         // A of the bicubic kernel
constexpr double kScaleExcess = 0.1;     // cells that the official scale adds
constexpr std::int64_t kTapsBefore = 1;  // of the four taps, those before the source's own cell

/// Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 15, at distance x.
double cubic(double x) {
  x = std::abs(x);
  if (x <= 1) {
    return ((kCubic + 2) * x - (kCubic + 3)) * x * x + 1;
  }
  return x < 2 ? ((kCubic * x - 5 * kCubic) * x + 8 * kCubic) * x - 4 * kCubic : 0;
}

/// One axis: [cells, side]. Sources beyond the border are the border's.
at::Tensor axis_matrix(std::int64_t side, std::int64_t cells) {
  const double scale = (static_cast<double>(cells) + kScaleExcess) / static_cast<double>(side);
  at::Tensor matrix = at::zeros({cells, side}, at::kDouble);
  auto* weights = matrix.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < cells; ++i, weights += side) {
    const double source = (static_cast<double>(i) + 0.5) / scale - 0.5;
    const auto first = static_cast<std::int64_t>(std::floor(source)) - kTapsBefore;
    for (std::int64_t tap = first; tap < first + 4; ++tap) {
      weights[std::clamp<std::int64_t>(tap, 0, side - 1)] += cubic(source - static_cast<double>(tap));
    }
  }
  return matrix;
}

}  // namespace

at::Tensor position_matrix(std::int64_t side, std::int64_t rows, std::int64_t columns) {
  return at::kron(axis_matrix(side, rows), axis_matrix(side, columns));
}

at::Tensor PositionResizer::operator()(const at::Tensor& positions, std::int64_t height, std::int64_t width,
                                       std::int64_t patch_size) {
  const std::int64_t stored = positions.size(1) - 1, rows = height / patch_size, columns = width / patch_size;
  if (rows * columns == stored && height == width) {
    return positions;
  }
  at::Tensor& matrix = matrices_[{rows, columns}];
  if (!matrix.defined() || matrix.dtype() != positions.dtype() || matrix.device() != positions.device()) {
    const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(stored))));
    matrix = position_matrix(side, rows, columns).to(positions.options().requires_grad(false));
  }
  const Bfloat16Scope exact(positions.device().type(), false);
  const at::Tensor resized = at::matmul(matrix, positions.squeeze(0).narrow(0, 1, stored));
  return at::cat({positions.narrow(1, 0, 1), resized.unsqueeze(0)}, 1);
}

at::Tensor resize_positions(const at::Tensor& positions, std::int64_t height, std::int64_t width,
                            std::int64_t patch_size) {
  return PositionResizer()(positions, height, width, patch_size);
}

}  // namespace terramill::model
