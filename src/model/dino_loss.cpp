#include <terramill/core/error.hpp>
#include <terramill/model/dino.hpp>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr std::int64_t kTeacherViews = 2;

void demand(bool holds, const std::string& message) {
  if (!holds) {
    throw UsageError(message, {"compute the DINO loss", "", ""});
  }
}

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// x - log sum exp x over the columns of all ranks.
at::Tensor log_probabilities(const at::Tensor& x, const parallel::TensorGroup& group) {
  const at::Tensor greatest = x.amax(-1, /*keepdim=*/true);
  group.max_in_place(greatest);
  const at::Tensor shifted = x - greatest;
  const at::Tensor sum = shifted.exp().sum(-1, /*keepdim=*/true);
  group.sum_in_place(sum);
  return shifted - sum.log();
}

struct ParallelLogSoftmax : Function<ParallelLogSoftmax> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const parallel::TensorGroup& group) {
    at::Tensor result = log_probabilities(x, group);
    context->save_for_backward({result});
    context->saved_data["group"] = group.save();
    return result;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor sum = gradients[0].sum(-1, /*keepdim=*/true);
    parallel::TensorGroup::from(context->saved_data["group"]).sum_in_place(sum);
    return {gradients[0] - context->get_saved_variables()[0].exp() * sum, {}};
  }
};

at::Tensor log_softmax(const at::Tensor& x, const parallel::TensorGroup& group) {
  return group.size() == 1 ? x.log_softmax(-1) : ParallelLogSoftmax::apply(x, group);
}

}  // namespace

at::Tensor dino_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& shift,
                     double student_temperature, double teacher_temperature,
                     const parallel::TensorGroup& group) {
  const std::int64_t batch = teacher.size(0) / kTeacherViews;
  demand(batch >= 1 && teacher.size(0) == kTeacherViews * batch && student.size(0) % batch == 0 &&
             student.size(0) >= kTeacherViews * batch && student.size(1) == teacher.size(1),
         "the student's rows are not [V B, K] to the teacher's [2 B, K], V >= 2");
  const std::int64_t views = student.size(0) / batch;
  const at::Tensor logits = (teacher.detach() - shift) / teacher_temperature;
  const at::Tensor targets = group.size() == 1 ? logits.softmax(-1) : log_probabilities(logits, group).exp();
  const at::Tensor first = targets.narrow(0, 0, batch), second = targets.narrow(0, batch, batch);
  const at::Tensor both = first + second;
  const std::vector<at::Tensor> log_student =
      log_softmax(student / student_temperature, group).view({views, batch, student.size(1)}).unbind(0);
  at::Tensor total;
  for (std::int64_t view = 0; view < views; ++view) {
    // The global views are not compared with themselves.
    const at::Tensor& target = view == 0 ? second : view == 1 ? first : both;
    const at::Tensor agreement = (target * log_student[static_cast<std::size_t>(view)]).sum();
    total = total.defined() ? total + agreement : agreement;
  }
  return -parallel::leave(total, group) / static_cast<double>(batch * kTeacherViews * (views - 1));
}

CentreSums centre_sums(const at::Tensor& teacher, const at::Tensor& high) {
  const torch::NoGradGuard no_gradient;
  const std::int64_t batch = teacher.size(0) / kTeacherViews;
  demand(high.dim() == 1 && high.size(0) == batch && teacher.size(0) == kTeacherViews * batch,
         "`high` is not [B] to the teacher's [2 B, K]");
  const at::Tensor by_sample = teacher.view({kTeacherViews, batch, teacher.size(1)}).sum(0);
  CentreSums sums;
  sums.all = by_sample.sum(0);
  sums.high = (by_sample * high.to(teacher.options()).unsqueeze(1)).sum(0);
  sums.count = static_cast<double>(teacher.size(0));
  sums.high_count = static_cast<double>(kTeacherViews * high.sum().item<std::int64_t>());
  return sums;
}

at::Tensor next_centre(const at::Tensor& centre, const at::Tensor& sum, double count, double momentum) {
  if (count == 0) {
    return centre;
  }
  return centre * momentum + (sum / count).view_as(centre) * (1 - momentum);
}

}  // namespace terramill::model
