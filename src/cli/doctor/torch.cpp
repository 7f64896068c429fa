#include "checks.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

namespace terramill::cli {

Finding check_libtorch() {
  const std::string capability = at::get_cpu_capability();
  const int threads = at::get_num_threads();
  Finding finding{.name = "LibTorch",
                  .value = std::string(TORCH_VERSION) + ", " + capability + ", " + std::to_string(threads) +
                           (threads == 1 ? " thread" : " threads") + " per rank"};
  finding.facts = {{"version", TORCH_VERSION}, {"cpu_capability", capability}, {"threads", threads}};
  return finding;
}

}  // namespace terramill::cli
