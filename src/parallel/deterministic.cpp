#include <terramill/core/error.hpp>
#include <terramill/parallel/deterministic.hpp>

#include <cstdlib>
#include <string>

#include <ATen/Context.h>

namespace terramill::parallel {

void require_determinism(c10::Device device) {
  if (!device.is_cuda()) return;
  const char* const set = std::getenv("CUBLAS_WORKSPACE_CONFIG");
  const std::string workspace = set == nullptr ? "" : set;
  if (workspace != ":4096:8" && workspace != ":16:8") {
    throw UsageError(set == nullptr ? "CUBLAS_WORKSPACE_CONFIG is not set"
                                    : "CUBLAS_WORKSPACE_CONFIG is \"" + workspace + "\"",
                     {"compute the same bits every time", "train.deterministic",
                      "export CUBLAS_WORKSPACE_CONFIG=:4096:8 before the program starts"});
  }
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
}

}  // namespace terramill::parallel
