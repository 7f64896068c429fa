#include <terramill/model/precision.hpp>
#include <terramill/model/recompute.hpp>

#include <utility>

#include <torch/torch.h>

namespace terramill::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// What the second run needs besides its input.
struct Body : torch::CustomClassHolder {
  std::function<at::Tensor(const at::Tensor&)> forward;
  variable_list parameters;
  c10::DeviceType device = c10::kCPU;
  bool bfloat16 = false;
};

/// The parameters are inputs, though `forward` finds them by itself: so their gradients go on through the
/// graph, and one that several blocks give is added up there, before it reaches the parameter.
struct Recompute : Function<Recompute> {
  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Body>& body,
                            const at::Tensor& input, at::TensorList /*parameters*/) {
    context->save_for_backward({input});
    context->saved_data["body"] = c10::IValue::make_capsule(body);
    return body->forward(input);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto body = c10::static_intrusive_pointer_cast<Body>(context->saved_data["body"].toCapsule());
    variable_list sources{context->get_saved_variables()[0].detach().requires_grad_()};
    sources.insert(sources.end(), body->parameters.begin(), body->parameters.end());
    at::Tensor output;
    {
      const at::AutoGradMode with_gradients(true);
      const Bfloat16Scope precision(body->device, body->bfloat16);
      output = body->forward(sources[0]);
    }
    variable_list result = torch::autograd::grad({output}, sources, gradients, /*retain_graph=*/std::nullopt,
                                                 /*create_graph=*/false, /*allow_unused=*/true);
    result.insert(result.begin(), at::Tensor());  // the body has none
    return result;
  }
};

}  // namespace

at::Tensor recompute(const torch::nn::Module& block, std::function<at::Tensor(const at::Tensor&)> forward,
                     const at::Tensor& input) {
  if (!at::GradMode::is_enabled() || !input.requires_grad()) {
    return forward(input);
  }
  auto body = c10::make_intrusive<Body>();
  body->forward = std::move(forward);
  body->device = input.device().type();
  body->bfloat16 = Bfloat16Scope::active(body->device);
  for (const at::Tensor& parameter : block.parameters()) {
    if (parameter.requires_grad()) {
      body->parameters.push_back(parameter);
    }
  }
  return Recompute::apply(body, input, at::TensorList(body->parameters));
}

}  // namespace terramill::model
