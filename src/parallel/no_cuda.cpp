#include "nccl.hpp"

#include <terramill/core/error.hpp>

namespace terramill::parallel {

namespace {
[[noreturn]] void refuse(const std::string& subject) {
  throw LibraryError(
      "this build has no CUDA parts",
      {"use a GPU", subject, "build it where a CUDA toolkit is, or run with --train.device cpu"});
}
}  // namespace

bool built_with_cuda() { return false; }

int gpu_count() { return 0; }

void use_gpu(int index) { refuse("GPU " + std::to_string(index)); }

std::string gpu_name(int index) { refuse("GPU " + std::to_string(index)); }

void require_gpu(c10::Device device) { refuse(device.str()); }

std::array<std::uint64_t, 2> gpu_identity(int index) { refuse("GPU " + std::to_string(index)); }

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& /*store*/,
                                                    const NcclGroup& /*group*/, c10::Device device) {
  refuse(device.str());
}

}  // namespace terramill::parallel
