#pragma once

#include <terramill/checkpoint/safetensors.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::checkpoint {

/// Tensors under their names, in a fixed order.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The safetensors type of a LibTorch type, and back. FormatError for one that the other side lacks.
Dtype dtype_of(at::ScalarType type);
at::ScalarType scalar_type_of(Dtype dtype);

/// One tensor of a file, on the CPU.
at::Tensor read_tensor(const SafetensorsReader& file, std::string_view name);
/// All tensors of a file, in the file's order.
NamedTensors load_tensors(const std::filesystem::path& path);
/// Writes tensors of any device and layout durably, row-major.
void save_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                  const Metadata& metadata = {});

}  // namespace terramill::checkpoint
