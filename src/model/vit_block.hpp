#pragma once

#include <terramill/model/layers.hpp>
#include <terramill/model/terrafm.hpp>

#include <cstdint>
#include <memory>

namespace terramill::model {

// The parts of the Vision Transformer (Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021) with
// timm's parameter names, on tokens [B, n, d].

/// Multi-head self-attention: `qkv`, `proj`.
class SelfAttention : public torch::nn::Module {
 public:
  SelfAttention(std::int64_t width, std::int64_t heads);
  /// Where `probabilities` is given it receives the softmax, [B, heads, n, n].
  at::Tensor forward(const at::Tensor& tokens, at::Tensor* probabilities) const;

 private:
  std::int64_t heads_;
  std::shared_ptr<Linear> qkv_, proj_;
};

/// fc2(gelu(fc1)).
class TokenMlp : public torch::nn::Module {
 public:
  TokenMlp(std::int64_t width, std::int64_t hidden);
  at::Tensor forward(const at::Tensor& tokens) const;

 private:
  std::shared_ptr<Linear> fc1_, fc2_;
};

/// x + a · attn(norm1(x)), then x + m · mlp(norm2(x)).
class VitBlock : public torch::nn::Module {
 public:
  explicit VitBlock(const TerrafmConfig& config);
  /// `attention_scale` and `mlp_scale`: a and m, [B], or undefined for 1. Appends to `trace` where given.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& attention_scale, const at::Tensor& mlp_scale,
                     TerrafmTrace* trace) const;

 private:
  std::shared_ptr<Norm> norm1_, norm2_;
  std::shared_ptr<SelfAttention> attn_;
  std::shared_ptr<TokenMlp> mlp_;
};

}  // namespace terramill::model
