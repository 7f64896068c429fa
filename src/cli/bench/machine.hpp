#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <string>

namespace terramill::cli {

/// The machine that a benchmark ran on.
struct Machine {
  std::string device;     ///< of rank 0: "cpu", or the GPU as its driver names it
  std::string processor;  ///< of rank 0, as the kernel names it
  std::int64_t nodes = 1;
};

/// `device`: as train.device. The same on every rank. Collective. UsageError as parallel::select_device.
Machine describe_machine(const mpi::Communicator& world, const std::string& device);

}  // namespace terramill::cli
