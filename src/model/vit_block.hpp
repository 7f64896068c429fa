#pragma once

#include <terramill/model/layers.hpp>
#include <terramill/model/terrafm.hpp>

#include <cstdint>
#include <memory>

namespace terramill::model {

// The parts of the Vision Transformer (Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021) with
// timm's parameter names, on tokens [B, n, d].

/// Tokens of several images as rows: row b n + t is token t of image b, of which a rank holds those of
/// `region`.
struct TokenRows {
  std::int64_t images, tokens;
  parallel::RowRegion region;
};

/// Multi-head self-attention: `qkv`, `proj`. Heads are split over `group`.
class SelfAttention : public torch::nn::Module {
 public:
  SelfAttention(std::int64_t width, std::int64_t heads, const parallel::TensorGroup& group);
  /// rows [R, d] of this rank. Where `probabilities` is given it receives the softmax of this rank's heads,
  /// [B, heads, n, n].
  at::Tensor forward(const at::Tensor& rows, const TokenRows& shape, at::Tensor* probabilities) const;

 private:
  std::int64_t heads_;  ///< of this rank
  std::shared_ptr<Linear> qkv_, proj_;
};

/// fc2(gelu(fc1)). Hidden channels are split over `group`.
class TokenMlp : public torch::nn::Module {
 public:
  TokenMlp(std::int64_t width, std::int64_t hidden, const parallel::TensorGroup& group);
  at::Tensor forward(const at::Tensor& rows, const TokenRows& shape) const;

 private:
  std::shared_ptr<Linear> fc1_, fc2_;
};

/// x + a · attn(norm1(x)), then x + m · mlp(norm2(x)).
class VitBlock : public torch::nn::Module {
 public:
  VitBlock(const TerrafmConfig& config, const parallel::TensorGroup& group);
  /// rows [R, d] of this rank; `attention_scale` and `mlp_scale`: a and m, [R, 1], or undefined for 1.
  /// Appends to `trace` where given.
  at::Tensor forward(const at::Tensor& rows, const TokenRows& shape, const at::Tensor& attention_scale,
                     const at::Tensor& mlp_scale, TerrafmTrace* trace) const;

 private:
  std::shared_ptr<Norm> norm1_, norm2_;
  std::shared_ptr<SelfAttention> attn_;
  std::shared_ptr<TokenMlp> mlp_;
};

}  // namespace terramill::model
