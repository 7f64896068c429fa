#include "vit_block.hpp"

#include <terramill/model/precision.hpp>

#include <cmath>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kNormEpsilon = 1e-6;

at::Tensor add_branch(const at::Tensor& rows, const at::Tensor& branch, const at::Tensor& scale) {
  return rows + (scale.defined() ? branch * scale : branch);
}

/// The rows of all ranks as [B, n, d].
at::Tensor whole(const at::Tensor& rows, const TokenRows& shape) {
  return shape.region.gather(rows).view({shape.images, shape.tokens, -1});
}

}  // namespace

SelfAttention::SelfAttention(std::int64_t width, std::int64_t heads, const parallel::TensorGroup& group)
    : heads_(group.part(heads).size()),
      qkv_(
          register_module("qkv", std::make_shared<Linear>(width, 3 * width, false, true,
                                                          Splitting{Split::kColumn, group, heads, 3, true}))),
      proj_(
          register_module("proj", std::make_shared<Linear>(width, width, false, true,
                                                           Splitting{Split::kRow, group, heads, 1, true}))) {}

at::Tensor SelfAttention::forward(const at::Tensor& rows, const TokenRows& shape,
                                  at::Tensor* probabilities) const {
  const at::Tensor qkv = qkv_->forward(shape.region.gather(rows))
                             .view({shape.images, shape.tokens, 3, heads_, -1})
                             .permute({2, 0, 3, 1, 4});
  const at::Tensor query = qkv[0], key = qkv[1], value = qkv[2];
  at::Tensor mixed;
  // The fused kernels of CUDA do not repeat their gradients bit for bit; the CPU's does, and is faster.
  if (probabilities == nullptr && rows.is_cpu()) {
    mixed = at::scaled_dot_product_attention(query, key, value);
  } else {
    const double scale = 1 / std::sqrt(static_cast<double>(query.size(-1)));
    const at::Tensor weights = widened(at::matmul(query * scale, key.transpose(-2, -1))).softmax(-1);
    mixed = at::matmul(weights, value);
    if (probabilities != nullptr) {
      *probabilities = weights;
    }
  }
  return proj_->forward(mixed.transpose(1, 2).reshape({shape.images * shape.tokens, -1}), shape.region);
}

TokenMlp::TokenMlp(std::int64_t width, std::int64_t hidden, const parallel::TensorGroup& group)
    : fc1_(register_module("fc1", std::make_shared<Linear>(width, hidden, false, true,
                                                           Splitting{Split::kColumn, group, 0, 1, true}))),
      fc2_(register_module("fc2", std::make_shared<Linear>(hidden, width, false, true,
                                                           Splitting{Split::kRow, group, 0, 1, true}))) {}

at::Tensor TokenMlp::forward(const at::Tensor& rows, const TokenRows& shape) const {
  return fc2_->forward(at::gelu(fc1_->forward(shape.region.gather(rows))), shape.region);
}

VitBlock::VitBlock(const TerrafmConfig& config, const parallel::TensorGroup& group) {
  const std::int64_t width = config.embed_dim;
  const auto hidden = static_cast<std::int64_t>(static_cast<double>(width) * config.mlp_ratio);
  norm1_ = register_module("norm1", std::make_shared<Norm>(width, kNormEpsilon, group));
  attn_ = register_module("attn", std::make_shared<SelfAttention>(width, config.heads, group));
  norm2_ = register_module("norm2", std::make_shared<Norm>(width, kNormEpsilon, group));
  mlp_ = register_module("mlp", std::make_shared<TokenMlp>(width, hidden, group));
}

at::Tensor VitBlock::forward(const at::Tensor& rows, const TokenRows& shape,
                             const at::Tensor& attention_scale, const at::Tensor& mlp_scale,
                             TerrafmTrace* trace) const {
  at::Tensor probabilities;
  const at::Tensor attended =
      attn_->forward(norm1_->forward(rows), shape, trace != nullptr ? &probabilities : nullptr);
  const at::Tensor between = add_branch(rows, attended, attention_scale);
  at::Tensor out = add_branch(between, mlp_->forward(norm2_->forward(between), shape), mlp_scale);
  if (trace != nullptr) {
    trace->attention.push_back(probabilities);
    trace->attended.push_back(whole(attended, shape));
    trace->blocks.push_back(whole(out, shape));
  }
  return out;
}

}  // namespace terramill::model
