#include "vit_block.hpp"

#include <terramill/model/precision.hpp>

#include <cmath>

#include <torch/torch.h>

namespace terramill::model {
namespace {

at::Tensor add_branch(const at::Tensor& tokens, const at::Tensor& branch, const at::Tensor& scale) {
  return tokens + (scale.defined() ? branch * scale.view({-1, 1, 1}) : branch);
}

}  // namespace

SelfAttention::SelfAttention(std::int64_t width, std::int64_t heads)
    : heads_(heads),
      qkv_(register_module("qkv", std::make_shared<Linear>(width, 3 * width))),
      proj_(register_module("proj", std::make_shared<Linear>(width, width))) {}

at::Tensor SelfAttention::forward(const at::Tensor& tokens, at::Tensor* probabilities) const {
  const std::int64_t batch = tokens.size(0), count = tokens.size(1), width = tokens.size(2);
  const at::Tensor qkv =
      qkv_->forward(tokens).view({batch, count, 3, heads_, width / heads_}).permute({2, 0, 3, 1, 4});
  const at::Tensor query = qkv[0], key = qkv[1], value = qkv[2];
  at::Tensor mixed;
  // The fused kernels of CUDA do not repeat their gradients bit for bit; the CPU's does, and is faster.
  if (probabilities == nullptr && tokens.is_cpu()) {
    mixed = at::scaled_dot_product_attention(query, key, value);
  } else {
    const double scale = 1 / std::sqrt(static_cast<double>(width / heads_));
    const at::Tensor weights = widened(at::matmul(query * scale, key.transpose(-2, -1))).softmax(-1);
    mixed = at::matmul(weights, value);
    if (probabilities != nullptr) {
      *probabilities = weights;
    }
  }
  return proj_->forward(mixed.transpose(1, 2).reshape({batch, count, width}));
}

TokenMlp::TokenMlp(std::int64_t width, std::int64_t hidden)
    : fc1_(register_module("fc1", std::make_shared<Linear>(width, hidden))),
      fc2_(register_module("fc2", std::make_shared<Linear>(hidden, width))) {}

at::Tensor TokenMlp::forward(const at::Tensor& tokens) const {
  return fc2_->forward(at::gelu(fc1_->forward(tokens)));
}

VitBlock::VitBlock(const TerrafmConfig& config) {
  const std::int64_t width = config.embed_dim;
  const auto hidden = static_cast<std::int64_t>(static_cast<double>(width) * config.mlp_ratio);
  norm1_ = register_module("norm1", std::make_shared<Norm>(width));
  attn_ = register_module("attn", std::make_shared<SelfAttention>(width, config.heads));
  norm2_ = register_module("norm2", std::make_shared<Norm>(width));
  mlp_ = register_module("mlp", std::make_shared<TokenMlp>(width, hidden));
}

at::Tensor VitBlock::forward(const at::Tensor& tokens, const at::Tensor& attention_scale,
                             const at::Tensor& mlp_scale, TerrafmTrace* trace) const {
  at::Tensor probabilities;
  const at::Tensor attended =
      attn_->forward(norm1_->forward(tokens), trace != nullptr ? &probabilities : nullptr);
  const at::Tensor between = add_branch(tokens, attended, attention_scale);
  at::Tensor out = add_branch(between, mlp_->forward(norm2_->forward(between)), mlp_scale);
  if (trace != nullptr) {
    trace->attention.push_back(probabilities);
    trace->attended.push_back(attended);
    trace->blocks.push_back(out);
  }
  return out;
}

}  // namespace terramill::model
