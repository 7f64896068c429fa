#pragma once

#include <terramill/model/dino.hpp>
#include <terramill/model/terrafm.hpp>
#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace terramill::train {

/// Encoder and head under DINO's names: backbone.*, head.*.
class DinoNetwork : public torch::nn::Module {
 public:
  /// Split over `group`.
  DinoNetwork(const model::TerrafmConfig& encoder, const model::DinoHeadConfig& head,
              const parallel::TensorGroup& group = {});
  /// Draws every parameter from (seed, its name).
  void initialise(std::uint64_t seed);

  std::shared_ptr<model::Terrafm> backbone;
  std::shared_ptr<model::DinoHead> head;
};

/// What of DINO's recipe does not change between steps.
struct DinoRecipe {
  double student_temperature = 0.1;
  double centre_momentum = 0.9, high_centre_momentum = 0.9;
  double centre_share = 0.8;           ///< alpha; 1: plain DINO
  double clip = 3;                     ///< per-parameter gradient norm; 0: none
  std::int64_t freeze_last_layer = 1;  ///< epochs
  bool bfloat16 = false;               ///< the type of products, model::Bfloat16Scope
};

/// One micro-batch of views, view-major: rows [v B, (v + 1) B) are view v of the B samples.
struct DinoViews {
  model::SensorImages student_global;  ///< of the two global views
  model::SensorImages student_local;   ///< of the local views; no image: there are none
  model::SensorImages teacher;         ///< of the two global views
  at::Tensor high;                     ///< bool [B] on the CPU: land-cover class among the frequent ones
};

/// Student, teacher and centres of one self-distillation run (train_one_epoch of main_dino.py; the second
/// centre of TerraFM), whatever the layout: what concerns a step is summed over micro-batches by their
/// number.
class DinoTrainer {
 public:
  /// The student has `encoder`'s drop path, the teacher none; the teacher begins as the student. Weights are
  /// drawn from `seed`. `reduction` says how the centres' sums are formed. Collective.
  DinoTrainer(const parallel::Mesh& mesh, const model::TerrafmConfig& encoder,
              const model::DinoHeadConfig& head, DinoRecipe recipe, parallel::Reduction reduction,
              std::uint64_t seed, at::ScalarType dtype);

  /// DINO's get_params_groups: with weight decay, and without it names that end in ".bias" and vectors.
  std::vector<parallel::ParameterGroup> groups() const;
  /// model.* (student), teacher.*, centre, centre_high.
  std::vector<parallel::NamedTensor> state() const;
  /// Of the parameters, and of the centres, which have the prototypes' part.
  parallel::Placements placements() const;
  /// Has `wait` called with each of the student's parameters before it is read.
  void set_gate(std::function<void(const at::Tensor&)> wait);
  /// Lets every parameter of the teacher follow that has not yet.
  void settle() const;
  /// Makes the teacher equal to the student.
  void copy_student();

  void begin_step(int micro_batches);
  /// The loss of a micro-batch, after its backward pass. `global_keep`, `local_keep`: drop path's masks for
  /// the student (Terrafm::forward); undefined: none is dropped.
  double train(int micro_batch, const DinoViews& views, double teacher_temperature,
               const at::Tensor& global_keep = {}, const at::Tensor& local_keep = {});
  /// The same without drop path, gradients and centres.
  double evaluate(const DinoViews& views, double teacher_temperature) const;
  /// Clips every parameter's gradient by itself, then, in the first epochs, leaves out the last layer.
  void before_update(parallel::GradientBuffer& gradients, std::int64_t epoch);
  /// The teacher follows, k = momentum k + (1 - momentum) q, each parameter when it is read next; then the
  /// centres. Collective.
  void after_update(double momentum);

  /// Student and teacher outputs of the micro-batch trained last, [V B, K] and [2 B, K].
  const at::Tensor& student_output() const noexcept { return student_output_; }
  const at::Tensor& teacher_output() const noexcept { return teacher_output_; }
  const at::Tensor& centre() const noexcept { return centre_; }            ///< [1, K]
  const at::Tensor& high_centre() const noexcept { return high_centre_; }  ///< [1, K]
  /// L2 norm of what is split as a centre is. Collective.
  double norm(const at::Tensor& centre) const;
  const DinoNetwork& student() const noexcept { return *student_; }
  const DinoNetwork& teacher() const {
    settle();
    return *teacher_;
  }

 private:
  struct Outputs {
    at::Tensor student, teacher, loss;
  };
  Outputs forward(const DinoViews& views, double teacher_temperature, const at::Tensor& global_keep,
                  const at::Tensor& local_keep) const;

  void install_gates();
  void follow(std::size_t parameter) const;

  const parallel::Mesh& mesh_;
  DinoRecipe recipe_;
  parallel::Reduction reduction_;
  std::shared_ptr<DinoNetwork> student_, teacher_;
  std::vector<at::Tensor> leaders_, followers_;             ///< parameters of student and teacher
  std::unordered_map<const void*, std::size_t> number_of_;  ///< of the teacher's, by identity
  mutable std::vector<std::uint8_t> behind_;                ///< followers that have not followed yet
  double momentum_ = 1;
  std::function<void(const at::Tensor&)> wait_;
  at::Tensor centre_, high_centre_, student_output_, teacher_output_;
  at::Tensor sums_;  ///< rows of 2 K + 2: sums of the teacher's outputs, of the frequent ones, both counts
};

}  // namespace terramill::train
