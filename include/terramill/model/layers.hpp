#pragma once

#include <terramill/model/sites.hpp>
#include <terramill/model/split.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include <torch/nn/module.h>

namespace terramill::model {

// The parts of ConvNeXt V2 (Woo et al., "ConvNeXt V2: Co-designing and scaling ConvNets with masked
// autoencoders", CVPR 2023), on rows [..., C] with channels last. Parameters are zero, norms 1/0, until a
// model initialises them. Blocks split their hidden channels over a tensor-parallel group. The masked
// encoder's parts have MinkowskiEngine's parameter names and layouts, the decoder's those of torch.nn.

/// Layer normalisation over channels: parameters `weight`, `bias` [C].
class Norm : public SplitModule {
 public:
  explicit Norm(std::int64_t channels, double epsilon = 1e-6);
  /// One that sees some rows only on each rank of `group`.
  Norm(std::int64_t channels, double epsilon, const parallel::TensorGroup& group);
  at::Tensor forward(const at::Tensor& rows) const;

 private:
  double epsilon_;
  at::Tensor weight_, bias_;
};

/// rows · weightᵀ + bias: parameters `weight` [O, I], or [O, I, 1, 1] where it is a 1 × 1 convolution, and
/// `bias` [O] unless it has none. I and O are those of the whole layer.
class Linear : public SplitModule {
 public:
  Linear(std::int64_t in, std::int64_t out, bool convolution = false, bool with_bias = true,
         const Splitting& splitting = {});

  /// [..., I] -> [..., O]. kColumn: `rows` whole, inside a region (parallel::enter), the result this rank's
  /// outputs. kRow: `rows` this rank's inputs, the result whole on every rank.
  at::Tensor forward(const at::Tensor& rows) const;
  /// kRow: [R, I] -> this rank's rows of [R, O].
  at::Tensor forward(const at::Tensor& rows, const parallel::RowRegion& region) const;

 private:
  at::Tensor with_bias(const at::Tensor& sum) const;

  Split split_;
  parallel::TensorGroup group_;
  at::Tensor weight_, bias_;
};

/// A part under a name of its own, as MinkowskiLayerNorm holds `ln` and MinkowskiLinear `linear`.
template <typename Part>
class Wrapped : public torch::nn::Module {
 public:
  template <typename... Args>
  explicit Wrapped(const std::string& name, const Args&... args)
      : part_(register_module(name, std::make_shared<Part>(args...))) {}
  at::Tensor forward(const at::Tensor& rows) const { return part_->forward(rows); }

 private:
  std::shared_ptr<Part> part_;
};

/// A sparse convolution's parameters: `kernel` [K, I, O], depthwise [K, C], with K = kh + side * kw, and
/// `bias` [1, O].
class SparseKernel : public torch::nn::Module {
 public:
  SparseKernel(at::IntArrayRef kernel_shape, std::int64_t out);
  /// For a stride equal to the kernel's side: cells [M, K * I] -> [M, O].
  at::Tensor on_cells(const at::Tensor& cells) const;
  /// The same, depthwise: cells [M, K * C] -> [M, C].
  at::Tensor depthwise_on_cells(const at::Tensor& cells) const;

  at::Tensor kernel, bias;
};

/// Global response normalisation: gamma * (x * N) + beta + x with N = G / (mean_C G + eps), where G is the L2
/// norm of each channel over axis 1 of x [groups, R, C]. gamma and beta have C elements. Where G is 0 its
/// gradient is 0. With `group`, x has this rank's channels of `channels`, and the mean is over all of them.
at::Tensor global_response_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                double epsilon, std::int64_t channels,
                                const parallel::TensorGroup& group = {});

/// A block of the masked encoder: GRN over all active sites of the micro-batch, eps 1e-6.
class SparseBlock : public torch::nn::Module {
 public:
  explicit SparseBlock(std::int64_t channels, const parallel::TensorGroup& group = {});
  /// rows [N, C] of the sites of `level`.
  at::Tensor forward(const at::Tensor& rows, const SiteLevel& level) const;

 private:
  parallel::TensorGroup group_;
  std::int64_t hidden_;
  std::shared_ptr<SparseKernel> dwconv_;
  std::shared_ptr<Wrapped<Norm>> norm_;
  std::shared_ptr<Wrapped<Linear>> pwconv1_, pwconv2_;
  at::Tensor gamma_, beta_;
};

/// A block of the decoder: GRN per sample, eps 1e-4.
class DenseBlock : public torch::nn::Module {
 public:
  explicit DenseBlock(std::int64_t channels, const parallel::TensorGroup& group = {});
  /// rows [B * H * W, C]; every site of `level` is active.
  at::Tensor forward(const at::Tensor& rows, const SiteLevel& level) const;

 private:
  parallel::TensorGroup group_;
  std::int64_t hidden_;
  at::Tensor dw_weight_, dw_bias_, gamma_, beta_;
  std::shared_ptr<Norm> norm_;
  std::shared_ptr<Linear> pwconv1_, pwconv2_;
};

}  // namespace terramill::model
