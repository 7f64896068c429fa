#include "vector_clones.hpp"

#include <terramill/model/precision.hpp>
#include <terramill/model/sites.hpp>

#include <algorithm>
#include <cstdint>

#include <torch/torch.h>

namespace terramill::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr std::int64_t kTaps = kDepthwiseWindow * kDepthwiseWindow;
/// Rows whose products are summed in the features' precision before they join the float64 total of the
/// kernel's gradient.
constexpr std::int64_t kGradientBlock = 512;

/// What the loops below run over.
struct Window {
  const std::int32_t* neighbours;
  std::int64_t rows, channels;
};

/// out[r] += sum over the window of x[neighbour] * kernel[tap], or of kernel[48 - tap]: the transposed
/// convolution.
template <typename T>
[[gnu::always_inline]] inline void convolve(const Window& window, const T* x, const T* kernel,
                                            bool transposed, T* __restrict out) {
  for (std::int64_t r = 0; r < window.rows; ++r) {
    T* __restrict sum = out + r * window.channels;
    for (std::int64_t tap = 0; tap < kTaps; ++tap) {
      const std::int32_t neighbour = window.neighbours[r * kTaps + tap];
      if (neighbour < 0) continue;
      const T* from = x + neighbour * window.channels;
      const T* weight = kernel + (transposed ? kTaps - 1 - tap : tap) * window.channels;
      for (std::int64_t c = 0; c < window.channels; ++c) {
        sum[c] += from[c] * weight[c];
      }
    }
  }
}

/// total[tap] += sum over rows of x[neighbour] * gradient[r]; `block` is scratch of the kernel's size.
template <typename T>
[[gnu::always_inline]] inline void correlate(const Window& window, const T* x, const T* gradient,
                                             T* __restrict block, double* __restrict total) {
  const std::int64_t size = kTaps * window.channels;
  for (std::int64_t begin = 0; begin < window.rows; begin += kGradientBlock) {
    const std::int64_t end = std::min(begin + kGradientBlock, window.rows);
    std::fill(block, block + size, T(0));
    for (std::int64_t r = begin; r < end; ++r) {
      const T* __restrict right = gradient + r * window.channels;
      for (std::int64_t tap = 0; tap < kTaps; ++tap) {
        const std::int32_t neighbour = window.neighbours[r * kTaps + tap];
        if (neighbour < 0) continue;
        const T* left = x + neighbour * window.channels;
        T* __restrict sum = block + tap * window.channels;
        for (std::int64_t c = 0; c < window.channels; ++c) {
          sum[c] += left[c] * right[c];
        }
      }
    }
    for (std::int64_t i = 0; i < size; ++i) {
      total[i] += block[i];
    }
  }
}

TERRAMILL_VECTOR_CLONES void convolve_f32(const Window& w, const float* x, const float* k, bool t,
                                          float* out) {
  convolve(w, x, k, t, out);
}
TERRAMILL_VECTOR_CLONES void convolve_f64(const Window& w, const double* x, const double* k, bool t,
                                          double* out) {
  convolve(w, x, k, t, out);
}
TERRAMILL_VECTOR_CLONES void correlate_f32(const Window& w, const float* x, const float* g, float* block,
                                           double* sum) {
  correlate(w, x, g, block, sum);
}
TERRAMILL_VECTOR_CLONES void correlate_f64(const Window& w, const double* x, const double* g, double* block,
                                           double* sum) {
  correlate(w, x, g, block, sum);
}

Window window_of(const at::Tensor& rows, const at::Tensor& neighbours) {
  return {neighbours.const_data_ptr<std::int32_t>(), rows.size(0), rows.size(1)};
}

void convolve_into(const at::Tensor& rows, const at::Tensor& kernel, const at::Tensor& neighbours,
                   bool transposed, const at::Tensor& out) {
  const Window window = window_of(rows, neighbours);
  if (rows.scalar_type() == at::kFloat) {
    convolve_f32(window, rows.const_data_ptr<float>(), kernel.const_data_ptr<float>(), transposed,
                 out.mutable_data_ptr<float>());
  } else {
    convolve_f64(window, rows.const_data_ptr<double>(), kernel.const_data_ptr<double>(), transposed,
                 out.mutable_data_ptr<double>());
  }
}

at::Tensor kernel_gradient(const at::Tensor& rows, const at::Tensor& gradient, const at::Tensor& neighbours) {
  const Window window = window_of(rows, neighbours);
  const at::Tensor block = at::empty({kTaps, rows.size(1)}, rows.options());
  const at::Tensor total = at::zeros({kTaps, rows.size(1)}, rows.options().dtype(at::kDouble));
  if (rows.scalar_type() == at::kFloat) {
    correlate_f32(window, rows.const_data_ptr<float>(), gradient.const_data_ptr<float>(),
                  block.mutable_data_ptr<float>(), total.mutable_data_ptr<double>());
  } else {
    correlate_f64(window, rows.const_data_ptr<double>(), gradient.const_data_ptr<double>(),
                  block.mutable_data_ptr<double>(), total.mutable_data_ptr<double>());
  }
  return total.to(rows.scalar_type());
}

struct DepthwiseOnSites : Function<DepthwiseOnSites> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows_in, const at::Tensor& kernel_in,
                            const at::Tensor& bias, const at::Tensor& neighbours) {
    const at::Tensor rows = rows_in.contiguous();
    const at::Tensor kernel = kernel_in.contiguous();
    context->save_for_backward({rows, kernel, neighbours});
    at::Tensor out = bias.expand_as(rows).contiguous();
    convolve_into(rows, kernel, neighbours, false, out);
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor rows_gradient = at::zeros_like(gradient);
    convolve_into(gradient, saved[1], saved[2], true, rows_gradient);
    return {rows_gradient, kernel_gradient(saved[0], gradient, saved[2]), gradient.sum(0), {}};
  }
};

}  // namespace

at::Tensor depthwise_on_sites(const at::Tensor& rows, const at::Tensor& kernel, const at::Tensor& bias,
                              const SiteLevel& level) {
  if (rows.scalar_type() == at::kBFloat16 && rows.is_cpu()) {
    return depthwise_on_sites(widened(rows), kernel, bias, level).to(at::kBFloat16);
  }
  const bool direct = level.neighbours.defined() && rows.is_cpu() &&
                      (rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kDouble);
  if (direct) {
    return DepthwiseOnSites::apply(rows, kernel, bias, level.neighbours);
  }
  const std::int64_t channels = rows.size(1);
  const bool full = level.active_sites() == level.grid_sites();
  const at::Tensor grid = (full ? rows : scatter_rows(rows, level.sites, level.grid_sites()))
                              .view({level.batch, level.height, level.width, channels})
                              .permute({0, 3, 1, 2});
  // [kw, kh, C] -> [C, 1, kh, kw]
  const at::Tensor weight =
      kernel.view({kDepthwiseWindow, kDepthwiseWindow, channels}).permute({2, 1, 0}).unsqueeze(1);
  const at::Tensor out = at::conv2d(grid, weight, bias, 1, kDepthwiseWindow / 2, 1, channels)
                             .permute({0, 2, 3, 1})
                             .reshape({level.grid_sites(), channels});
  return full ? out : gather_rows(out, level.sites);
}

}  // namespace terramill::model
