#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::report {

/// A number with where it comes from.
struct Constant {
  std::string name, unit;
  double value = 0;
  std::string origin;  ///< the comment behind the value, or what else gave it
};

/// What a simulation knows of a machine, in SI units.
struct Machine {
  std::string name;
  std::int64_t nodes = 1, gpus_per_node = 1;
  double memory = 0;                              ///< bytes of one GPU
  double reserved_memory = 0;                     ///< of these, for contexts and workspaces
  double memory_bandwidth = 0;                    ///< bytes/s of one GPU
  double host_bandwidth = 0;                      ///< bytes/s from a GPU to its host, for checkpoints
  double peak_float32 = 0, peak_bfloat16 = 0;     ///< dense operations/s of one GPU
  double reached_terrafm = 0, reached_mpmae = 0;  ///< share of the peak that a large micro-batch reaches
  double kernel_seconds = 0;                      ///< to start a kernel
  double gpu_bandwidth = 0, gpu_latency = 0;      ///< bytes/s of a GPU to others of its node; s per message
  double network_bandwidth = 0, network_latency = 0;  ///< bytes/s of a node; s per message
  double overlap = 0;         ///< share of the backward pass behind which a reduction goes on
  double read_bandwidth = 0;  ///< bytes/s of the file system to all nodes
  double node_read_bandwidth = 0, write_bandwidth = 0;  ///< to one node; from all
  std::vector<Constant> constants;                      ///< all of the above, in this order

  /// The peak for "bfloat16", or else for float32.
  double peak(const std::string& precision) const;
};

/// Reads a machine's description: an INI file with every number of Machine in `[node]`, `[compute]`,
/// `[links]` and `[storage]`, each with its origin as the comment behind it. IoError; UsageError for a key
/// that is missing, unknown or out of range.
Machine read_machine(const std::filesystem::path& path);

}  // namespace terramill::report
