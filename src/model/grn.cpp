#include <terramill/model/layers.hpp>

#include <torch/torch.h>

namespace terramill::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// With G the norms [groups, 1, C], m their mean over channels plus eps, and N = G / m, y = x * (gamma N + 1)
/// + beta.
struct GlobalResponseNorm : Function<GlobalResponseNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, double epsilon) {
    const at::Tensor norms = at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true);
    const at::Tensor mean = norms.mean(-1, true) + epsilon;
    context->save_for_backward({x, gamma, norms, mean});
    return at::addcmul(beta, x, gamma * (norms / mean) + 1);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &norms = saved[2], &mean = saved[3];
    const at::Tensor& dy = gradients[0];
    const at::Tensor ratio = norms / mean;
    // d loss / d (gamma N), per group and channel.
    const at::Tensor dscale = (dy * x).sum(1, true);
    const at::Tensor dratio = dscale * gamma;
    const at::Tensor dnorms = (dratio - (dratio * ratio).mean(-1, true)) / mean;
    const at::Tensor pull = at::where(norms == 0, 0, dnorms / norms);
    const at::Tensor dx = at::addcmul(dy * (gamma * ratio + 1), x, pull);
    return {dx, (dscale * ratio).sum(at::IntArrayRef{0, 1}), dy.sum(at::IntArrayRef{0, 1}), {}};
  }
};

}  // namespace

at::Tensor global_response_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                double epsilon) {
  return GlobalResponseNorm::apply(x, gamma, beta, epsilon);
}

}  // namespace terramill::model
