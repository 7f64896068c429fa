#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/model/precision.hpp>
#include <terramill/train/dino_trainer.hpp>

#include <cmath>
#include <utility>

#include <torch/torch.h>

namespace terramill::train {

namespace {

constexpr double kClipEpsilon = 1e-6;  // clip_gradients of utils.py

bool has_images(const model::SensorImages& images) {
  return std::any_of(images.images.begin(), images.images.end(),
                     [](const at::Tensor& image) { return image.defined(); });
}

}  // namespace

DinoNetwork::DinoNetwork(const model::TerrafmConfig& encoder, const model::DinoHeadConfig& head_config,
                         const parallel::TensorGroup& group)
    : backbone(register_module("backbone", std::make_shared<model::Terrafm>(encoder, group))),
      head(register_module("head", std::make_shared<model::DinoHead>(head_config, group))) {}

void DinoNetwork::initialise(std::uint64_t seed) {
  backbone->initialise(seed, "backbone.");
  head->initialise(seed, "head.");
}

DinoTrainer::DinoTrainer(const parallel::Mesh& mesh, const model::TerrafmConfig& encoder,
                         const model::DinoHeadConfig& head, DinoRecipe recipe, parallel::Reduction reduction,
                         std::uint64_t seed, at::ScalarType dtype)
    : mesh_(mesh), recipe_(recipe), reduction_(reduction) {
  model::TerrafmConfig undropped = encoder;
  undropped.drop_path = 0;
  student_ = std::make_shared<DinoNetwork>(encoder, head, mesh.tensor_group());
  student_->initialise(seed);
  student_->to(mesh.device(), dtype);
  teacher_ = std::make_shared<DinoNetwork>(undropped, head, mesh.tensor_group());
  teacher_->to(mesh.device(), dtype);
  for (at::Tensor& parameter : teacher_->parameters()) parameter.requires_grad_(false);
  leaders_ = student_->parameters();
  followers_ = teacher_->parameters();
  for (std::size_t i = 0; i < followers_.size(); ++i) {
    number_of_[followers_[i].unsafeGetTensorImpl()] = i;
  }
  behind_.assign(followers_.size(), 0);
  install_gates();
  copy_student();
  const auto like = at::device(mesh.device()).dtype(dtype);
  const std::int64_t own = mesh.tensor_group().part(head.out_dim).size();
  centre_ = at::zeros({1, own}, like);
  high_centre_ = at::zeros({1, own}, like);
}

void DinoTrainer::copy_student() {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < leaders_.size(); ++i) {
    if (wait_) wait_(leaders_[i]);
    followers_[i].copy_(leaders_[i]);
  }
  behind_.assign(followers_.size(), 0);
}

void DinoTrainer::install_gates() {
  const auto student = [this](const std::vector<at::Tensor>& parameters) {
    for (const at::Tensor& parameter : parameters) {
      if (wait_) wait_(parameter);
    }
  };
  const auto teacher = [this](const std::vector<at::Tensor>& parameters) {
    for (const at::Tensor& parameter : parameters) follow(number_of_.at(parameter.unsafeGetTensorImpl()));
  };
  student_->backbone->set_gate(student);
  student_->head->set_gate(student);
  teacher_->backbone->set_gate(teacher);
  teacher_->head->set_gate(teacher);
}

void DinoTrainer::set_gate(std::function<void(const at::Tensor&)> wait) { wait_ = std::move(wait); }

void DinoTrainer::follow(std::size_t parameter) const {
  if (behind_[parameter] == 0) return;
  const trace::Span span("teacher update", "compute");
  const torch::NoGradGuard no_grad;
  const at::Tensor& leader = leaders_[parameter];
  if (wait_) wait_(leader);
  followers_[parameter].mul_(momentum_).add_(leader * (1 - momentum_));
  behind_[parameter] = 0;
}

void DinoTrainer::settle() const {
  for (std::size_t i = 0; i < followers_.size(); ++i) follow(i);
}

parallel::Placements DinoTrainer::placements() const {
  parallel::Placements placements = model::placements_of(*student_);
  const std::int64_t prototypes = student_->head->config().out_dim;
  if (mesh_.tp() > 1) {
    placements["centre"] =
        placements["centre_high"] = {{1, prototypes}, 1, {mesh_.tensor_group().part(prototypes)}, false};
  }
  return placements;
}

double DinoTrainer::norm(const at::Tensor& centre) const {
  return std::sqrt(mesh_.tp_comm().sum(centre.square().sum().item<double>()));
}

std::vector<parallel::ParameterGroup> DinoTrainer::groups() const {
  std::vector<parallel::ParameterGroup> groups(2);
  groups[0].decay = true;
  groups[1].decay = false;
  for (const auto& item : student_->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const bool decays = !item.key().ends_with(".bias") && item.value().dim() != 1;
    groups[decays ? 0 : 1].parameters.emplace_back(item.key(), item.value());
  }
  return groups;
}

std::vector<parallel::NamedTensor> DinoTrainer::state() const {
  settle();
  std::vector<parallel::NamedTensor> state;
  for (const auto& item : student_->named_parameters()) {
    state.emplace_back(checkpoint::kModelPrefix + item.key(), item.value().detach());
  }
  for (const auto& item : teacher_->named_parameters()) {
    state.emplace_back("teacher." + item.key(), item.value().detach());
  }
  state.emplace_back("centre", centre_);
  state.emplace_back("centre_high", high_centre_);
  return state;
}

void DinoTrainer::begin_step(int micro_batches) {
  const std::int64_t rows = reduction_ == parallel::Reduction::kExact ? micro_batches : 1;
  sums_ = at::zeros({rows, 2 * centre_.size(1) + 2}, centre_.options());
}

DinoTrainer::Outputs DinoTrainer::forward(const DinoViews& views, double teacher_temperature,
                                          const at::Tensor& global_keep, const at::Tensor& local_keep) const {
  const model::Bfloat16Scope precision(mesh_.device().type(), recipe_.bfloat16);
  Outputs outputs;
  {
    const torch::NoGradGuard no_grad;
    outputs.teacher = teacher_->head->forward(teacher_->backbone->forward(views.teacher));
  }
  at::Tensor features = student_->backbone->forward(views.student_global, global_keep);
  if (has_images(views.student_local)) {
    features = at::cat({features, student_->backbone->forward(views.student_local, local_keep)});
  }
  outputs.student = student_->head->forward(features);
  const at::Tensor shift = recipe_.centre_share == 1
                               ? centre_
                               : recipe_.centre_share * centre_ + (1 - recipe_.centre_share) * high_centre_;
  outputs.loss = model::dino_loss(outputs.student, outputs.teacher, shift, recipe_.student_temperature,
                                  teacher_temperature, mesh_.tensor_group());
  return outputs;
}

double DinoTrainer::train(int micro_batch, const DinoViews& views, double teacher_temperature,
                          const at::Tensor& global_keep, const at::Tensor& local_keep) {
  trace::Span span("forward", "compute");
  const Outputs outputs = forward(views, teacher_temperature, global_keep, local_keep);
  span.end();
  {
    const trace::Span backward("backward", "compute");
    outputs.loss.backward();
  }
  const torch::NoGradGuard no_grad;
  student_output_ = outputs.student.detach();
  teacher_output_ = outputs.teacher;
  const model::CentreSums sums = model::centre_sums(outputs.teacher, views.high);
  const std::int64_t k = centre_.size(1);
  at::Tensor row = sums_[reduction_ == parallel::Reduction::kExact ? micro_batch : 0];
  row.narrow(0, 0, k).add_(sums.all);
  row.narrow(0, k, k).add_(sums.high);
  row[2 * k].add_(sums.count);
  row[2 * k + 1].add_(sums.high_count);
  return outputs.loss.item<double>();
}

double DinoTrainer::evaluate(const DinoViews& views, double teacher_temperature) const {
  const torch::NoGradGuard no_grad;
  return forward(views, teacher_temperature, {}, {}).loss.item<double>();
}

void DinoTrainer::before_update(parallel::GradientBuffer& gradients, std::int64_t epoch) {
  settle();  // what no forward pass read since
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients.used(i)) continue;
    if (recipe_.clip > 0) {
      const double factor = recipe_.clip / (gradients.norm(i) + kClipEpsilon);
      if (factor < 1) gradients.scale(i, factor);
    }
    const std::string& name = gradients.parameter(i).first;
    if (epoch < recipe_.freeze_last_layer && name.find("last_layer") != std::string::npos) {
      gradients.leave_out(i);
    }
  }
}

void DinoTrainer::after_update(double momentum) {
  const torch::NoGradGuard no_grad;
  momentum_ = momentum;
  behind_.assign(followers_.size(), 1);

  // Rows of other replicas' micro-batches are zeros here, so the sum over replicas is exact; the rows then
  // add up in their order.
  std::vector<at::Tensor> buffers{sums_};
  mesh_.dp_group()->allreduce(buffers)->wait();
  at::Tensor total = sums_[0].clone();
  for (std::int64_t m = 1; m < sums_.size(0); ++m) total.add_(sums_[m]);
  const std::int64_t k = centre_.size(1);
  const auto count = total[2 * k].item<double>(), high_count = total[2 * k + 1].item<double>();
  centre_.copy_(
      model::next_centre(centre_, total.narrow(0, 0, k).unsqueeze(0), count, recipe_.centre_momentum));
  high_centre_.copy_(model::next_centre(high_centre_, total.narrow(0, k, k).unsqueeze(0), high_count,
                                        recipe_.high_centre_momentum));
}

}  // namespace terramill::train
