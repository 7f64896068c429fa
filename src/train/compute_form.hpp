#pragma once

#include <terramill/model/activation_memory.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/train/pretrain_config.hpp>

namespace terramill::train {

/// How a run computes its model, for estimates of memory.
inline model::ComputeForm compute_form(const TrainOptions& options, const parallel::Mesh& mesh) {
  model::ComputeForm form;
  form.element = options.precision == "float64" ? 8 : 4;
  form.bfloat16 = options.bfloat16();
  form.recompute = options.activation_checkpointing;
  form.fused_attention = mesh.device().is_cpu();
  form.tp = mesh.tp();
  return form;
}

}  // namespace terramill::train
