#include <terramill/core/error.hpp>
#include <terramill/model/masking.hpp>

#include <torch/torch.h>

namespace terramill::model {

std::int64_t kept_patches(std::int64_t patches, double ratio) noexcept {
  return static_cast<std::int64_t>(static_cast<double>(patches) * (1 - ratio));
}

at::Tensor mask_from_noise(const at::Tensor& noise, double ratio) {
  const std::int64_t kept = kept_patches(noise.size(1), ratio);
  const at::Tensor order = noise.argsort(/*stable=*/true, /*dim=*/1);
  return at::ones_like(noise).scatter_(1, order.narrow(1, 0, kept), 0);
}

at::Tensor crop_windows(const at::Tensor& images, const at::Tensor& corners, std::int64_t size) {
  const at::Tensor at_cpu = corners.to(at::kCPU, at::kLong).contiguous();
  const auto* corner = at_cpu.const_data_ptr<std::int64_t>();
  at::Tensor out = at::empty({images.size(0), images.size(1), size, size}, images.options());
  for (std::int64_t b = 0; b < images.size(0); ++b, corner += 2) {
    if (corner[0] < 0 || corner[1] < 0 || corner[0] + size > images.size(3) ||
        corner[1] + size > images.size(2)) {
      throw UsageError("the window of sample " + std::to_string(b) + " leaves the image", {"crop", "", ""});
    }
    out[b].copy_(images[b].narrow(2, corner[0], size).narrow(1, corner[1], size));
  }
  return out;
}

}  // namespace terramill::model
