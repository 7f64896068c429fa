#include <terramill/model/split.hpp>

#include <utility>

#include <torch/torch.h>

namespace terramill::model {

at::Tensor SplitModule::register_part(const std::string& name, std::vector<std::int64_t> shape, int dim,
                                      std::vector<parallel::Range> ranges) {
  if (ranges.size() == 1 && ranges.front().size() == shape[static_cast<std::size_t>(dim)]) {
    return register_parameter(name, torch::zeros(shape));  // a group of one rank
  }
  std::vector<std::int64_t> own = shape;
  auto& extent = own[static_cast<std::size_t>(dim)];
  extent = 0;
  for (const parallel::Range& range : ranges) extent += range.size();
  placements_[name] = {std::move(shape), dim, std::move(ranges), false};
  return register_parameter(name, torch::zeros(own));
}

void SplitModule::has_partial_gradient(const std::string& name, const at::Tensor& parameter,
                                       const parallel::TensorGroup& group) {
  if (group.size() > 1) placements_[name] = {parameter.sizes().vec(), -1, {}, true};
}

parallel::Placements placements_of(const torch::nn::Module& model) {
  parallel::Placements all;
  const auto add = [&](const std::string& prefix, const torch::nn::Module& module) {
    const auto* split = dynamic_cast<const SplitModule*>(&module);
    if (split == nullptr) return;
    for (const auto& [name, placement] : split->placements()) all[prefix + name] = placement;
  };
  add("", model);
  for (const auto& item : model.named_modules("", /*include_self=*/false))
    add(item.key() + ".", *item.value());
  return all;
}

}  // namespace terramill::model
