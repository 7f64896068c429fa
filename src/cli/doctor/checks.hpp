#pragma once

#include "finding.hpp"

#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::cli {

/// Version, compiler and build type of this program.
Finding check_program();
/// The MPI library and its thread level.
Finding check_mpi();
/// HDF5's version, and whether it is the parallel one.
Finding check_hdf5();
/// GDAL's version and the drivers that sources and exports need.
Finding check_gdal();
/// The libraries that encode and hash chunks.
Finding check_codecs();
/// LibTorch's version, instruction set and threads.
Finding check_libtorch();
/// CUDA, its devices, and NCCL.
Finding check_cuda();

/// Ranks, nodes, and whether the ranks of a node have a core each. Collective.
Finding check_layout(const mpi::Communicator& world);
/// The memory of every node, and each rank's share of the smallest. Collective.
Finding check_memory(const mpi::Communicator& world);

/// Exchanges messages between every two ranks, which hangs where one does not reach the other: whoever calls
/// it sets a time limit. Collective.
Finding check_ping(const mpi::Communicator& world);

/// What a file system gives to all ranks at once, each with `bytes` of its own in a folder of its own under
/// `path`: sequential writing up to and with fsync, reading past the page cache, and creating small files.
/// Nothing is left behind. A path that cannot be written is a finding, not an error. Collective.
std::vector<Finding> check_file_system(const mpi::Communicator& world, const std::filesystem::path& path,
                                       std::int64_t bytes);

}  // namespace terramill::cli
