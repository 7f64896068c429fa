#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace terramill::checkpoint {
namespace {

constexpr std::array<std::pair<Dtype, at::ScalarType>, 13> kTypes{{{Dtype::kF64, at::kDouble},
                                                                   {Dtype::kF32, at::kFloat},
                                                                   {Dtype::kF16, at::kHalf},
                                                                   {Dtype::kBF16, at::kBFloat16},
                                                                   {Dtype::kI64, at::kLong},
                                                                   {Dtype::kI32, at::kInt},
                                                                   {Dtype::kI16, at::kShort},
                                                                   {Dtype::kI8, at::kChar},
                                                                   {Dtype::kU64, at::kUInt64},
                                                                   {Dtype::kU32, at::kUInt32},
                                                                   {Dtype::kU16, at::kUInt16},
                                                                   {Dtype::kU8, at::kByte},
                                                                   {Dtype::kBool, at::kBool}}};

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

}  // namespace

Dtype dtype_of(at::ScalarType type) {
  const auto* row = std::ranges::find(kTypes, type, &std::pair<Dtype, at::ScalarType>::second);
  if (row == kTypes.end()) {
    throw FormatError(std::string("safetensors has no type for ") + c10::toString(type),
                      {"write safetensors", "", ""});
  }
  return row->first;
}

at::ScalarType scalar_type_of(Dtype dtype) {
  return std::ranges::find(kTypes, dtype, &std::pair<Dtype, at::ScalarType>::first)->second;
}

at::Tensor read_tensor(const SafetensorsReader& file, std::string_view name) {
  const TensorInfo& info = file.at(name);
  at::Tensor tensor = at::empty(info.shape, scalar_type_of(info.dtype));
  file.read_into(info, 0, bytes_of(tensor));
  return tensor;
}

NamedTensors load_tensors(const std::filesystem::path& path) {
  const SafetensorsReader file(path);
  NamedTensors tensors;
  for (const TensorInfo& info : file.tensors()) {
    tensors.emplace_back(info.name, read_tensor(file, info.name));
  }
  return tensors;
}

void save_tensors(const std::filesystem::path& path, const NamedTensors& tensors, const Metadata& metadata) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) {
    specs.push_back({name, dtype_of(tensor.scalar_type()), tensor.sizes().vec()});
  }
  SafetensorsWriter writer(path, std::move(specs), metadata);
  for (const auto& [name, tensor] : tensors) {
    writer.write(name, bytes_of(tensor.detach().to(at::kCPU).contiguous()));
  }
  writer.finish();
}

}  // namespace terramill::checkpoint
