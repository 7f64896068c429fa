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
class Holder : public torch::nn::Module {
 public:
  at::Tensor add(const std::string& name, at::IntArrayRef shape) {
    return register_parameter(name, torch::zeros(shape));
  }
};

}  // namespace

Norm::Norm(std::int64_t channels, double epsilon)
    : epsilon_(epsilon),
      weight_(register_parameter("weight", torch::ones({channels}))),
      bias_(register_parameter("bias", torch::zeros({channels}))) {}

at::Tensor Norm::forward(const at::Tensor& rows) const {
  return at::layer_norm(widened(rows), weight_.sizes(), weight_, bias_, epsilon_);
}

Linear::Linear(std::int64_t in, std::int64_t out, bool convolution, bool with_bias)
    : weight_(register_parameter("weight",
                                 convolution ? torch::zeros({out, in, 1, 1}) : torch::zeros({out, in}))),
      bias_(with_bias ? register_parameter("bias", torch::zeros({out})) : at::Tensor()) {}

at::Tensor Linear::forward(const at::Tensor& rows) const {
  return at::linear(rows, weight_.flatten(1), bias_);
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

SparseBlock::SparseBlock(std::int64_t channels)
    : dwconv_(register_module("dwconv",
                              std::make_shared<SparseKernel>(at::IntArrayRef{kTaps, channels}, channels))),
      norm_(register_module("norm", std::make_shared<Wrapped<Norm>>("ln", channels))),
      pwconv1_(register_module("pwconv1",
                               std::make_shared<Wrapped<Linear>>("linear", channels, kExpansion * channels))),
      pwconv2_(register_module(
          "pwconv2", std::make_shared<Wrapped<Linear>>("linear", kExpansion * channels, channels))) {
  const auto grn = register_module("grn", std::make_shared<Holder>());
  gamma_ = grn->add("gamma", {1, kExpansion * channels});
  beta_ = grn->add("beta", {1, kExpansion * channels});
}

at::Tensor SparseBlock::forward(const at::Tensor& rows, const SiteLevel& level) const {
  const at::Tensor spread = depthwise_on_sites(rows, dwconv_->kernel, dwconv_->bias.view(-1), level);
  const at::Tensor hidden = at::gelu(pwconv1_->forward(norm_->forward(spread)));
  const at::Tensor normed =
      global_response_norm(hidden.unsqueeze(0), gamma_.view(-1), beta_.view(-1), kSparseGrnEpsilon)
          .squeeze(0);
  return rows + pwconv2_->forward(normed);
}

DenseBlock::DenseBlock(std::int64_t channels) {
  const auto dwconv = register_module("dwconv", std::make_shared<Holder>());
  dw_weight_ = dwconv->add("weight", {channels, 1, kDepthwiseWindow, kDepthwiseWindow});
  dw_bias_ = dwconv->add("bias", {channels});
  norm_ = register_module("norm", std::make_shared<Norm>(channels));
  pwconv1_ = register_module("pwconv1", std::make_shared<Linear>(channels, kExpansion * channels));
  const auto grn = register_module("grn", std::make_shared<Holder>());
  gamma_ = grn->add("gamma", {1, 1, 1, kExpansion * channels});
  beta_ = grn->add("beta", {1, 1, 1, kExpansion * channels});
  pwconv2_ = register_module("pwconv2", std::make_shared<Linear>(kExpansion * channels, channels));
}

at::Tensor DenseBlock::forward(const at::Tensor& rows, const SiteLevel& level) const {
  // [C, 1, kh, kw] -> [kh + 7 kw, C]
  const at::Tensor kernel = dw_weight_.squeeze(1).permute({2, 1, 0}).reshape({kTaps, -1});
  const at::Tensor spread = depthwise_on_sites(rows, kernel, dw_bias_, level);
  const at::Tensor hidden = at::gelu(pwconv1_->forward(norm_->forward(spread)));
  const at::Tensor normed = global_response_norm(hidden.view({level.batch, -1, hidden.size(1)}),
                                                 gamma_.view(-1), beta_.view(-1), kDenseGrnEpsilon);
  return rows + pwconv2_->forward(normed.view_as(hidden));
}

}  // namespace terramill::model
