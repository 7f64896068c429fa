#include "parameter_gather.hpp"

#include <terramill/core/error.hpp>

#include <chrono>
#include <ranges>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

namespace terramill::parallel {

using at::Tensor;

ParameterGather::ParameterGather(const GradientBuffer& gradients)
    : gradients_(gradients), works_(gradients.layout().buckets.size()) {
  const at::NoGradGuard no_grad;
  const GradientLayout& layout = gradients.layout();
  for (std::size_t g = 0; g < gradients.groups().size(); ++g) {
    const auto& parameters = gradients.groups()[g].parameters;
    const auto type = parameters.empty() ? layout.types[g] : parameters.front().second.scalar_type();
    flats_.push_back(at::zeros({layout.sizes[g]}, at::device(gradients.mesh().device()).dtype(type)));
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Slot& slot = layout.slots[i];
    Tensor parameter = gradients.parameter(i).second;
    const Tensor place = flats_[slot.group].narrow(0, slot.begin, slot.count).view(parameter.sizes());
    place.copy_(parameter);
    parameter.set_data(place);
  }
}

void ParameterGather::launch() {
  waited_ = 0;
  const Mesh& mesh = gradients_.mesh();
  if (mesh.dp() == 1) return;
  const GradientLayout& layout = gradients_.layout();
  for (const std::size_t b : std::views::reverse(layout.backward_order)) {
    const BucketRange& bucket = layout.buckets[b];
    const std::int64_t share = (bucket.end - bucket.begin) / mesh.dp();
    Tensor whole = flats_[bucket.group].narrow(0, bucket.begin, bucket.end - bucket.begin);
    Tensor own = whole.narrow(0, share * mesh.replica(), share);
    works_[b] = mesh.dp_group()->_allgather_base(whole, own);
  }
}

void ParameterGather::wait(std::size_t i) {
  const Slot& slot = gradients_.layout().slots[i];
  for (std::size_t b = slot.first_bucket; b <= slot.last_bucket; ++b) {
    if (!works_[b]) continue;
    const auto start = std::chrono::steady_clock::now();
    works_[b]->wait();
    works_[b].reset();
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
}

}  // namespace terramill::parallel
