#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace terramill {

/// What this node offers to the job, in bytes.
struct HostMemory {
  std::int64_t available = 0;  ///< what may still be taken, by all ranks of the node together
  std::int64_t limit = 0;      ///< what they may hold in all
  std::string limited_by;  ///< what gave the limit: "MemTotal", "the control group", "SLURM_MEM_PER_NODE", …
};

/// The least of the kernel's MemAvailable and of the limits of this process's control groups (version 2 and
/// 1, parents included) and of Slurm (SLURM_MEM_PER_NODE, or SLURM_MEM_PER_CPU times SLURM_CPUS_ON_NODE, in
/// MiB; 0 limits nothing). `root`: of the file system, for tests. IoError, FormatError where /proc/meminfo is
/// not as expected.
HostMemory host_memory(const std::filesystem::path& root = "/");

/// What this process holds in memory now (VmRSS), in bytes.
std::int64_t resident_bytes();

/// "1.50 GiB", "12.0 MiB": for people.
std::string memory_text(std::int64_t bytes);

}  // namespace terramill
