#include "vector_clones.hpp"

#include <terramill/model/layers.hpp>
#include <terramill/model/precision.hpp>

#include <algorithm>
#include <cstdint>

#include <torch/torch.h>

namespace terramill::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Rows whose products are summed in the features' precision before they join the float64 total.
constexpr std::int64_t kBlock = 256;

/// One group's rows [rows, channels].
struct Slab {
  std::int64_t rows, channels;
};

/// total[c] += sum over rows of a * b; `block` is scratch for one row.
template <typename T>
[[gnu::always_inline]] inline void sum_products(Slab slab, const T* a, const T* b, T* __restrict block,
                                                double* __restrict total) {
  for (std::int64_t begin = 0; begin < slab.rows; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, slab.rows);
    std::fill(block, block + slab.channels, T(0));
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t c = 0; c < slab.channels; ++c) {
        block[c] += a[r * slab.channels + c] * b[r * slab.channels + c];
      }
    }
    for (std::int64_t c = 0; c < slab.channels; ++c) {
      total[c] += block[c];
    }
  }
}

/// out = a * p + b * q with p and q one row.
template <typename T>
[[gnu::always_inline]] inline void blend(Slab slab, const T* a, const T* p, const T* b, const T* q,
                                         T* __restrict out) {
  for (std::int64_t r = 0; r < slab.rows; ++r) {
    for (std::int64_t c = 0; c < slab.channels; ++c) {
      const std::int64_t i = r * slab.channels + c;
      out[i] = a[i] * p[c] + b[i] * q[c];
    }
  }
}

TERRAMILL_VECTOR_CLONES void sum_products(Slab s, const float* a, const float* b, float* block,
                                          double* total) {
  sum_products<float>(s, a, b, block, total);
}
TERRAMILL_VECTOR_CLONES void sum_products(Slab s, const double* a, const double* b, double* block,
                                          double* total) {
  sum_products<double>(s, a, b, block, total);
}
TERRAMILL_VECTOR_CLONES void blend(Slab s, const float* a, const float* p, const float* b, const float* q,
                                   float* out) {
  blend<float>(s, a, p, b, q, out);
}
TERRAMILL_VECTOR_CLONES void blend(Slab s, const double* a, const double* p, const double* b, const double* q,
                                   double* out) {
  blend<double>(s, a, p, b, q, out);
}

bool is_plain(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
}

template <typename T>
void sum_products(const at::Tensor& a, const at::Tensor& b, const at::Tensor& total) {
  const Slab slab{a.size(1), a.size(2)};
  const at::Tensor block = at::empty({slab.channels}, a.options());
  for (std::int64_t g = 0; g < a.size(0); ++g) {
    const std::int64_t begin = g * slab.rows * slab.channels;
    sum_products(slab, a.const_data_ptr<T>() + begin, b.const_data_ptr<T>() + begin,
                 block.mutable_data_ptr<T>(), total.mutable_data_ptr<double>() + g * slab.channels);
  }
}

/// Sums of a * b over axis 1, [groups, 1, C].
at::Tensor column_products(const at::Tensor& a, const at::Tensor& b) {
  if (!is_plain(a)) {
    return (a * b).sum(1, true);
  }
  const at::Tensor total = at::zeros({a.size(0), 1, a.size(2)}, a.options().dtype(at::kDouble));
  if (a.scalar_type() == at::kFloat) {
    sum_products<float>(a, b, total);
  } else {
    sum_products<double>(a, b, total);
  }
  return total.to(a.scalar_type());
}

template <typename T>
void blend(const at::Tensor& a, const at::Tensor& p, const at::Tensor& b, const at::Tensor& q,
           const at::Tensor& out) {
  const Slab slab{a.size(1), a.size(2)};
  for (std::int64_t g = 0; g < a.size(0); ++g) {
    const std::int64_t begin = g * slab.rows * slab.channels, row = g * slab.channels;
    blend(slab, a.const_data_ptr<T>() + begin, p.const_data_ptr<T>() + row, b.const_data_ptr<T>() + begin,
          q.const_data_ptr<T>() + row, out.mutable_data_ptr<T>() + begin);
  }
}

/// a * p + b * q with p and q [groups, 1, C].
at::Tensor blend(const at::Tensor& a, const at::Tensor& p, const at::Tensor& b, const at::Tensor& q) {
  if (!is_plain(a)) {
    return at::addcmul(a * p, b, q);
  }
  at::Tensor out = at::empty_like(a);
  if (a.scalar_type() == at::kFloat) {
    blend<float>(a, p.contiguous(), b, q.contiguous(), out);
  } else {
    blend<double>(a, p.contiguous(), b, q.contiguous(), out);
  }
  return out;
}

/// The mean over all channels of [groups, 1, C], of which this rank has some.
at::Tensor channel_mean(const at::Tensor& values, std::int64_t channels, const parallel::TensorGroup& group) {
  if (group.size() == 1) return values.mean(-1, true);
  const at::Tensor sum = values.sum(-1, true);
  group.sum_in_place(sum);
  return sum / channels;
}

/// With G the norms [groups, 1, C], m their mean over channels plus eps, and N = G / m, y = x * (gamma N + 1)
/// + beta. Computed in float32 for bfloat16 x, whose type y then has.
struct GlobalResponseNorm : Function<GlobalResponseNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_in, const at::Tensor& gamma,
                            const at::Tensor& beta, double epsilon, std::int64_t channels,
                            const parallel::TensorGroup& group) {
    const at::Tensor kept = x_in.contiguous(), x = widened(kept);
    const at::Tensor norms = column_products(x, x).sqrt();
    const at::Tensor mean = channel_mean(norms, channels, group) + epsilon;
    context->save_for_backward({kept, gamma, norms, mean});
    context->saved_data["channels"] = channels;
    if (group.size() > 1) context->saved_data["group"] = group.save();
    return at::addcmul(beta, x, gamma * (norms / mean) + 1).to(x_in.scalar_type());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &gamma = saved[1], &norms = saved[2], &mean = saved[3];
    const at::Tensor x = widened(saved[0]), dy = widened(gradients[0].contiguous());
    const at::Tensor ratio = norms / mean;
    // d loss / d (gamma N), per group and channel.
    const at::Tensor dscale = column_products(dy, x);
    const at::Tensor dratio = dscale * gamma;
    const auto found = context->saved_data.find("group");
    const auto group = found == context->saved_data.end() ? parallel::TensorGroup()
                                                          : parallel::TensorGroup::from(found->second);
    const std::int64_t channels = context->saved_data["channels"].toInt();
    const at::Tensor dnorms = (dratio - channel_mean(dratio * ratio, channels, group)) / mean;
    const at::Tensor pull = at::where(norms == 0, 0, dnorms / norms);
    const at::Tensor dx = blend(dy, gamma * ratio + 1, x, pull);
    return {dx.to(saved[0].scalar_type()),
            (dscale * ratio).sum(at::IntArrayRef{0, 1}),
            dy.sum(at::IntArrayRef{0, 1}),
            {},
            {},
            {}};
  }
};

}  // namespace

at::Tensor global_response_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                double epsilon, std::int64_t channels, const parallel::TensorGroup& group) {
  return GlobalResponseNorm::apply(x, gamma, beta, epsilon, channels, group);
}

}  // namespace terramill::model
