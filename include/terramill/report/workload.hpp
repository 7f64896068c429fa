#pragma once

#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <string>

namespace terramill::report {

/// What a step of pretraining asks of a machine, counted from a configuration (docs/scaling.md). All numbers
/// of elements and operations are per image; a step is forward and backward pass of the student and, of
/// TerraFM, the forward pass of the teacher.
struct Workload {
  std::string family, name;
  std::int64_t micro_batch_size = 0, micro_batches = 0;  ///< as configured
  std::string precision, reduction;                      ///< product_type(); as configured
  bool recompute = false;                                ///< as configured: activations are computed again
  std::int64_t checkpoint_every = 0;                     ///< steps; 0: at the end only
  double gradient_bytes = 4;                             ///< of one, between replicas
  double bucket_bytes = 25.0 * (1 << 20);                ///< of a bucket of gradients; with "auto" 25 MiB
  double parameters = 0;                                 ///< trained
  double split_parameters = 0;                           ///< of these, divided by tensor parallelism
  double teacher_parameters = 0;                         ///< kept beside them, not trained; 0: no teacher
  double flops = 0;                                      ///< multiplications and additions, counted singly
  double split_flops = 0;                                ///< of these, divided by tensor parallelism
  double block_forward_flops = 0;                        ///< what recomputing the blocks adds
  double activations = 0;                                ///< elements kept for the backward pass, of blocks
  double block_inputs = 0;   ///< elements kept of blocks where activations are computed again
  double largest_block = 0;  ///< elements of the largest single block
  double other_activations =
      0;                        ///< elements kept outside the blocks; tensor parallelism does not divide them
  double tensor_calls = 0;      ///< all-gathers and reduce-scatters per micro-batch
  double tensor_elements = 0;   ///< of all of them
  double kernels = 0;           ///< about so many kernels a micro-batch starts on a GPU
  double tile_bytes = 0;        ///< of the modalities that are read, before compression
  std::int64_t tp_divides = 1;  ///< tp must divide this
};

/// The type of a configuration's products as points and tables of peaks name it: "float32", "float64" or
/// "bfloat16".
std::string product_type(const train::TrainOptions& options);

/// Counts a configuration's work. Every sensor and target of the schema takes part unless the configuration
/// names some. `tile_size`: pixels; 0: 128 of MP-MAE crops above 64 pixels, else 64, and 264 of TerraFM
/// (Major TOM's patches). UsageError for an impossible configuration.
Workload count_workload(const train::PretrainConfig& config, const std::string& name, int tile_size = 0);

}  // namespace terramill::report
