#pragma once

#include <terramill/model/split.hpp>
#include <terramill/parallel/tensor_group.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

namespace terramill::model {

// Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021;
// vision_transformer.py and main_dino.py of facebookresearch/dino.

struct DinoHeadConfig {
  std::int64_t in_dim = 768, hidden_dim = 2048, bottleneck_dim = 256;
  std::int64_t out_dim = 65536;  ///< K, the prototypes
  bool norm_last_layer = true;   ///< weight_g stays 1 and takes no gradient
};

/// DINOHead: three linear layers with GELU between, L2 normalisation (eps 1e-12), and weight-normalised
/// prototypes. Parameters mlp.{0,2,4}.{weight,bias}, last_layer.weight_g [K, 1], last_layer.weight_v [K,
/// bottleneck].
class DinoHead : public torch::nn::Module {
 public:
  /// Hidden channels and prototypes are split over `group`.
  explicit DinoHead(DinoHeadConfig config, const parallel::TensorGroup& group = {});

  const DinoHeadConfig& config() const noexcept { return config_; }
  /// Null: parameters are always ready.
  void set_gate(Gate gate) { gate_ = std::move(gate); }
  /// Draws every parameter from (seed, `prefix` + its name): trunc-normal 0.02 and 0 for the MLP, weight_g 1,
  /// weight_v uniform in ±1 / sqrt(bottleneck).
  void initialise(std::uint64_t seed, const std::string& prefix = "");

  /// [N, in_dim] -> [N, K]; with a group, this rank's part of the K columns.
  at::Tensor forward(const at::Tensor& features) const;
  /// The MLP alone: [N, bottleneck], before the normalisation.
  at::Tensor bottleneck(const at::Tensor& features) const;

 private:
  struct Parts;
  DinoHeadConfig config_;
  parallel::TensorGroup group_;
  Gate gate_;
  std::shared_ptr<Parts> parts_;
};

/// DINOLoss: the mean over the pairs (teacher view i in {0, 1}, student view v != i) and over samples of the
/// cross entropy between softmax((t_i - shift) / teacher_temperature), which takes no gradient, and
/// softmax(s_v / student_temperature).
///
/// student [V B, K] and teacher [2 B, K] are view-major; shift [1, K]. A scalar. With `group`, K is this
/// rank's part of the prototypes, and the softmax goes over all of them.
at::Tensor dino_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& shift,
                     double student_temperature, double teacher_temperature,
                     const parallel::TensorGroup& group = {});

/// What a micro-batch adds to the centres: sums over the teacher's outputs [2 B, K], and how many there are.
/// `high` is bool [B]: the sample's land-cover class is a frequent one.
struct CentreSums {
  at::Tensor all, high;  ///< [K]
  double count = 0, high_count = 0;
};
CentreSums centre_sums(const at::Tensor& teacher, const at::Tensor& high);

/// momentum * centre + (1 - momentum) * sum / count; the centre itself where count is 0. All [1, K].
at::Tensor next_centre(const at::Tensor& centre, const at::Tensor& sum, double count, double momentum);

}  // namespace terramill::model
