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

}  // namespace

at::Tensor dino_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& shift,
                     double student_temperature, double teacher_temperature) {
  const std::int64_t batch = teacher.size(0) / kTeacherViews;
  demand(batch >= 1 && teacher.size(0) == kTeacherViews * batch && student.size(0) % batch == 0 &&
             student.size(0) >= kTeacherViews * batch && student.size(1) == teacher.size(1),
         "the student's rows are not [V B, K] to the teacher's [2 B, K], V >= 2");
  const std::int64_t views = student.size(0) / batch;
  const at::Tensor targets = ((teacher.detach() - shift) / teacher_temperature).softmax(-1);
  const at::Tensor first = targets.narrow(0, 0, batch), second = targets.narrow(0, batch, batch);
  const at::Tensor both = first + second;
  at::Tensor total;
  for (std::int64_t view = 0; view < views; ++view) {
    // The global views are not compared with themselves.
    const at::Tensor& target = view == 0 ? second : view == 1 ? first : both;
    const at::Tensor log_student =
        (student.narrow(0, view * batch, batch) / student_temperature).log_softmax(-1);
    const at::Tensor agreement = (target * log_student).sum();
    total = total.defined() ? total + agreement : agreement;
  }
  return -total / static_cast<double>(batch * kTeacherViews * (views - 1));
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
