#include <terramill/model/precision.hpp>

#include <ATen/autocast_mode.h>

namespace terramill::model {

Bfloat16Scope::Bfloat16Scope(c10::DeviceType device, bool on)
    : device_(device),
      enabled_(at::autocast::is_autocast_enabled(device)),
      cached_(at::autocast::is_autocast_cache_enabled()),
      type_(at::autocast::get_autocast_dtype(device)) {
  at::autocast::set_autocast_enabled(device, on);
  at::autocast::set_autocast_dtype(device, at::kBFloat16);
  // A cached weight would add up its gradients in bfloat16, and lack them where it was first used without.
  at::autocast::set_autocast_cache_enabled(false);
}

Bfloat16Scope::~Bfloat16Scope() {
  at::autocast::set_autocast_enabled(device_, enabled_);
  at::autocast::set_autocast_dtype(device_, type_);
  at::autocast::set_autocast_cache_enabled(cached_);
}

bool Bfloat16Scope::active(c10::DeviceType device) { return at::autocast::is_autocast_enabled(device); }

at::Tensor widened(const at::Tensor& values) {
  return values.scalar_type() == at::kBFloat16 ? values.to(at::kFloat) : values;
}

}  // namespace terramill::model
