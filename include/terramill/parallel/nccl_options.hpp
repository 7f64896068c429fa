#pragma once

#include <terramill/mpi/communicator.hpp>

#include <chrono>
#include <filesystem>

#include <c10/core/Device.h>

namespace terramill::parallel {

/// What is asked of NCCL's groups; none of it concerns a CPU.
struct NcclOptions {
  /// After which c10d's watchdog ends the process whose collective hangs; 0: c10d's own limit, 600 s.
  std::chrono::seconds timeout{0};
  /// Latest collectives that c10d's flight recorder keeps; 0: c10d's own number, 2,000.
  int flight_recorder = 0;
  /// Where it writes them, as rank_0, rank_1 …, when a collective fails or hangs, where `flight_recorder` is
  /// given; empty: where c10d does.
  std::filesystem::path flight_folder{};
  /// Ends the process that sends a NaN.
  bool nan_check = false;
};

/// Hands c10d what it reads from the environment (names of LibTorch 2.11: TORCH_FR_BUFFER_SIZE,
/// TORCH_NCCL_DUMP_ON_TIMEOUT, TORCH_NCCL_NAN_CHECK) and tells its flight recorder where to write, before the
/// first NCCL group of the process is made. What the environment says already stays, and a warning tells so.
/// Collective. UsageError where `device` is no GPU and something is asked for.
void prepare_nccl(const NcclOptions& options, const mpi::Communicator& world, c10::Device device);

}  // namespace terramill::parallel
