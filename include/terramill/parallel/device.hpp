#pragma once

#include <terramill/mpi/communicator.hpp>

#include <string>

#include <c10/core/Device.h>

namespace terramill::parallel {

/// Whether this build has the CUDA parts and a GPU answers.
bool cuda_available();

/// GPUs that this process sees; 0 without CUDA.
int cuda_device_count();

/// The device of this rank. `name`: "cpu"; "cuda", which gives each rank of a node the GPU of its number on
/// the node, modulo the GPUs there are, and makes it the current one; "auto", which is cuda where every rank
/// has a GPU and cpu otherwise. UsageError for another name, or for "cuda" without a GPU. Collective.
c10::Device select_device(const std::string& name, const mpi::Communicator& comm);

/// "cpu", or what the driver calls the GPU. LibraryError when that does not answer.
std::string device_name(c10::Device device);

}  // namespace terramill::parallel
