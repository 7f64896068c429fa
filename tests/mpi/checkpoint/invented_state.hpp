#pragma once

#include "support/shared_scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <torch/torch.h>

namespace terramill::testing {

/// A training state of many types and shapes: an empty tensor, a scalar, one larger than any rank's share, a
/// transposed one. Values depend on `seed`.
inline std::vector<parallel::NamedTensor> invented_state(std::int64_t seed) {
  const auto numbers = [&](std::vector<std::int64_t> shape) {
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) count *= extent;
    return ((torch::arange(count, at::kLong) * 37 + seed * 11).remainder(251).to(at::kDouble) / 8 - 9)
        .reshape(shape);
  };
  return {{"model.norm.weight", numbers({13}).to(at::kFloat)},
          {"model.conv.weight", numbers({8, 4, 3, 3}).to(at::kFloat)},
          {"model.scale", numbers({}).to(at::kFloat)},
          {"model.none", numbers({0, 5}).to(at::kFloat)},
          {"adam.m.conv.weight", numbers({8, 4, 3, 3}).to(at::kDouble)},
          {"adam.v.conv.weight", numbers({9, 7}).to(at::kBFloat16)},
          {"adam.step.conv.weight", torch::full({1}, seed, at::kLong)},
          {"flags", numbers({17}).gt(0)},
          {"turned", numbers({5, 6}).t()}};
}

/// While it lives the last rank's disk has no space for the files of step 2.
class NoSpaceForStepTwo {
 public:
  NoSpaceForStepTwo() {
    fault_points::set_hooks(
        [](fault_points::FileEvent, const std::filesystem::path& file) {
          const bool strikes = process_rank() == process_count() - 1 &&
                               file.string().find("step-00000002") != std::string::npos;
          return strikes ? ENOSPC : 0;
        },
        nullptr);
  }
  ~NoSpaceForStepTwo() { fault_points::set_hooks(nullptr, nullptr); }
  NoSpaceForStepTwo(const NoSpaceForStepTwo&) = delete;
  NoSpaceForStepTwo& operator=(const NoSpaceForStepTwo&) = delete;
};

inline void flip_byte(const std::filesystem::path& path, std::uint64_t position) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(position));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(position));
  file.put(static_cast<char>(byte ^ 0x10));
}

}  // namespace terramill::testing
