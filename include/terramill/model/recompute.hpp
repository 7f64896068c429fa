#pragma once

#include <functional>

#include <torch/nn/module.h>

namespace terramill::model {

/// forward(input), of which only `input` is kept for the backward pass, which runs `forward` again:
/// activation checkpointing (Chen et al., "Training deep nets with sublinear memory cost", 2016).
///
/// Values and gradients are those of a plain call, bit for bit, and each parameter of `block` gets its
/// gradient once per backward pass, however often the block was run: `forward` may use no parameters but
/// those of `block`, must give the same values every time, and needs no gradient of what it captures. Where
/// nothing asks for gradients, or `input` has none, this is a plain call.
at::Tensor recompute(const torch::nn::Module& block, std::function<at::Tensor(const at::Tensor&)> forward,
                     const at::Tensor& input);

}  // namespace terramill::model
