#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::model {

// Features of the masked encoder are lists of rows [N, C], one per active site, in the order (sample, row,
// column). The sites of each level come from those of the finer one, as in the sparse convolutions of
// MinkowskiEngine: a site of the coarse grid exists where its cell holds an active one. What a dense-masked
// form would multiply by zero is not computed.

/// Rows `index` of `rows` [M, C], as [n, C]; no index may occur twice.
at::Tensor gather_rows(const at::Tensor& rows, const at::Tensor& index);
/// The adjoint: `rows` [n, C] placed at `index` of a list of `count` rows, the others 0.
at::Tensor scatter_rows(const at::Tensor& rows, const at::Tensor& index, std::int64_t count);

/// Edge length of the encoder's and decoder's depthwise kernels.
inline constexpr std::int64_t kDepthwiseWindow = 7;

/// The active sites of one grid of a micro-batch.
struct SiteLevel {
  std::int64_t batch = 0, height = 0, width = 0;
  at::Tensor sites;  ///< int64 [N], ascending: (sample * height + row) * width + column
  /// int32 [N, 49] on the CPU: row number of the active site at each place of the depthwise window, kernel
  /// index kh + 7 kw, or -1. Undefined for a grid without depthwise convolution, and where the features live
  /// on another device.
  at::Tensor neighbours;
  /// int64 [N]: place of each site in the next level's cells, cell * s² + (kh + s kw); undefined on the last
  /// level.
  at::Tensor cell_slots;

  std::int64_t grid_sites() const noexcept { return batch * height * width; }
  std::int64_t active_sites() const { return sites.size(0); }
};

/// The levels of a micro-batch: the grid of `active` (bool or uint8 [B, H, W]), then one per stride, each
/// `stride` times coarser. `with_window[i]` asks for the neighbours of level i. Index tensors are placed on
/// `device`.
std::vector<SiteLevel> site_levels(const at::Tensor& active, const std::vector<std::int64_t>& strides,
                                   const std::vector<bool>& with_window, at::Device device);

/// Depthwise convolution, kernel 7 × 7, stride 1, on the sites of `level` only: rows [N, C], kernel [49, C]
/// with index kh + 7 kw, bias [C]. Inactive neighbours count as 0. On the CPU sites are convolved directly,
/// elsewhere densely.
at::Tensor depthwise_on_sites(const at::Tensor& rows, const at::Tensor& kernel, const at::Tensor& bias,
                              const SiteLevel& level);

}  // namespace terramill::model
