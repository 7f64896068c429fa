#include <terramill/model/layers.hpp>
#include <terramill/model/precision.hpp>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kSparseGrnEpsilon = 1e-6;
constexpr double kDenseGrnEpsilon = 1e-4;
constexpr std::int64_t kExpansion = 4;
constexpr std::int64_t kTaps = kDepthwiseWindow * kDepthwiseWindow;

/// Only holds parameters under a module's name.
class Holder : public SplitModule {
 public:
  at::Tensor add(const std::string& name, at::IntArrayRef shape) {
    return register_parameter(name, torch::zeros(shape));
  }
  /// The last dimension is split over `group`.
  at::Tensor add(const std::string& name, at::IntArrayRef shape, const parallel::TensorGroup& group) {
    const int last = static_cast<int>(shape.size()) - 1;
    return register_part(name, shape.vec(), last, {group.part(shape.back())});
  }
};

}  // namespace

Norm::Norm(std::int64_t channels, double epsilon)
    : epsilon_(epsilon),
      weight_(register_parameter("weight", torch::ones({channels}))),
      bias_(register_parameter("bias", torch::zeros({channels}))) {}

Norm::Norm(std::int64_t channels, double epsilon, const parallel::TensorGroup& group)
    : Norm(channels, epsilon) {
  has_partial_gradient("weight", weight_, group);
  has_partial_gradient("bias", bias_, group);
}

at::Tensor Norm::forward(const at::Tensor& rows) const {
  return at::layer_norm(widened(rows), weight_.sizes(), weight_, bias_, epsilon_);
}

Linear::Linear(std::int64_t in, std::int64_t out, bool convolution, bool with_bias,
               const Splitting& splitting)
    : split_(splitting.group.size() > 1 ? splitting.split : Split::kNone), group_(splitting.group) {
  const std::vector<std::int64_t> shape =
      convolution ? std::vector<std::int64_t>{out, in, 1, 1} : std::vector<std::int64_t>{out, in};
  const auto ranges = [&](std::int64_t count) {
    const std::int64_t block = count / splitting.blocks;
    const std::int64_t units = splitting.units > 0 ? splitting.units : block;
    return group_.parts(units, block / units, splitting.blocks);
  };
  switch (split_) {
    case Split::kNone:
      weight_ = register_parameter("weight", torch::zeros(shape));
      break;
    case Split::kColumn:
      weight_ = register_part("weight", shape, 0, ranges(out));
      break;
    case Split::kRow:
      weight_ = register_part("weight", shape, 1, ranges(in));
      break;
  }
  if (!with_bias) return;
  if (split_ == Split::kColumn) {
    bias_ = register_part("bias", {out}, 0, ranges(out));
  } else {
    bias_ = register_parameter("bias", torch::zeros({out}));
    if (split_ == Split::kRow && splitting.on_own_rows) has_partial_gradient("bias", bias_, group_);
  }
}

at::Tensor Linear::with_bias(const at::Tensor& sum) const { return bias_.defined() ? sum + bias_ : sum; }

at::Tensor Linear::forward(const at::Tensor& rows) const {
  if (split_ != Split::kRow) return at::linear(rows, weight_.flatten(1), bias_);
  return with_bias(parallel::leave(at::linear(rows, weight_.flatten(1)), group_));
}

at::Tensor Linear::forward(const at::Tensor& rows, const parallel::RowRegion& region) const {
  if (split_ != Split::kRow) return forward(rows);
  return with_bias(region.reduce_scatter(at::linear(rows, weight_.flatten(1))));
}

SparseKernel::SparseKernel(at::IntArrayRef kernel_shape, std::int64_t out)
    : kernel(register_parameter("kernel", torch::zeros(kernel_shape))),
      bias(register_parameter("bias", torch::zeros({1, out}))) {}

at::Tensor SparseKernel::on_cells(const at::Tensor& cells) const {
  return at::addmm(bias, cells, kernel.reshape({-1, bias.size(1)}));
}

at::Tensor SparseKernel::depthwise_on_cells(const at::Tensor& cells) const {
  const std::int64_t channels = bias.size(1);
  if (kernel.size(0) == 1) {
    return at::addcmul(bias, cells, kernel);
  }
  return (cells.view({cells.size(0), kernel.size(0), channels}) * kernel).sum(1) + bias;
}

SparseBlock::SparseBlock(std::int64_t channels, const parallel::TensorGroup& group)
    : group_(group),
      hidden_(kExpansion * channels),
      dwconv_(register_module("dwconv",
                              std::make_shared<SparseKernel>(at::IntArrayRef{kTaps, channels}, channels))),
      norm_(register_module("norm", std::make_shared<Wrapped<Norm>>("ln", channels))),
      pwconv1_(register_module(
          "pwconv1", std::make_shared<Wrapped<Linear>>("linear", channels, hidden_, false, true,
                                                       Splitting{Split::kColumn, group, 0, 1, false}))),
      pwconv2_(register_module(
          "pwconv2", std::make_shared<Wrapped<Linear>>("linear", hidden_, channels, false, true,
                                                       Splitting{Split::kRow, group, 0, 1, false}))) {
  const auto grn = register_module("grn", std::make_shared<Holder>());
  gamma_ = grn->add("gamma", {1, hidden_}, group);
  beta_ = grn->add("beta", {1, hidden_}, group);
}

at::Tensor SparseBlock::forward(const at::Tensor& rows, const SiteLevel& level) const {
  const at::Tensor spread = depthwise_on_sites(rows, dwconv_->kernel, dwconv_->bias.view(-1), level);
  const at::Tensor hidden = at::gelu(pwconv1_->forward(parallel::enter(norm_->forward(spread), group_)));
  const at::Tensor normed = global_response_norm(hidden.unsqueeze(0), gamma_.view(-1), beta_.view(-1),
                                                 kSparseGrnEpsilon, hidden_, group_)
                                .squeeze(0);
  return rows + pwconv2_->forward(normed);
}

DenseBlock::DenseBlock(std::int64_t channels, const parallel::TensorGroup& group)
    : group_(group), hidden_(kExpansion * channels) {
  const auto dwconv = register_module("dwconv", std::make_shared<Holder>());
  dw_weight_ = dwconv->add("weight", {channels, 1, kDepthwiseWindow, kDepthwiseWindow});
  dw_bias_ = dwconv->add("bias", {channels});
  norm_ = register_module("norm", std::make_shared<Norm>(channels));
  pwconv1_ =
      register_module("pwconv1", std::make_shared<Linear>(channels, hidden_, false, true,
                                                          Splitting{Split::kColumn, group, 0, 1, false}));
  const auto grn = register_module("grn", std::make_shared<Holder>());
  gamma_ = grn->add("gamma", {1, 1, 1, hidden_}, group);
  beta_ = grn->add("beta", {1, 1, 1, hidden_}, group);
  pwconv2_ = register_module("pwconv2", std::make_shared<Linear>(hidden_, channels, false, true,
                                                                 Splitting{Split::kRow, group, 0, 1, false}));
}

at::Tensor DenseBlock::forward(const at::Tensor& rows, const SiteLevel& level) const {
  // [C, 1, kh, kw] -> [kh + 7 kw, C]
  const at::Tensor kernel = dw_weight_.squeeze(1).permute({2, 1, 0}).reshape({kTaps, -1});
  const at::Tensor spread = depthwise_on_sites(rows, kernel, dw_bias_, level);
  const at::Tensor hidden = at::gelu(pwconv1_->forward(parallel::enter(norm_->forward(spread), group_)));
  const at::Tensor normed =
      global_response_norm(hidden.view({level.batch, -1, hidden.size(1)}), gamma_.view(-1), beta_.view(-1),
                           kDenseGrnEpsilon, hidden_, group_);
  return rows + pwconv2_->forward(normed.view_as(hidden));
}

}  // namespace terramill::model
