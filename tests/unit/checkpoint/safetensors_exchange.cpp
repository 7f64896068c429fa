// Writes or checks the file that tests/unit/checkpoint/safetensors_pypi.sh exchanges with Python's
// safetensors package: safetensors_exchange write|check FILE. Tensor <type> holds 0, 1, 2, …, 5 in that type,
// as [2, 3].

#include <terramill/checkpoint/tensors.hpp>

#include <iostream>
#include <string>

#include <torch/torch.h>

int main(int argc, char** argv) {
  using namespace terramill::checkpoint;
  if (argc != 3) return 2;
  NamedTensors tensors;
  for (const Dtype type :
       {Dtype::kU8, Dtype::kF64, Dtype::kI8, Dtype::kF32, Dtype::kI16, Dtype::kF16, Dtype::kI32, Dtype::kBF16,
        Dtype::kI64, Dtype::kBool, Dtype::kU16, Dtype::kU32, Dtype::kU64}) {
    tensors.emplace_back(name_of(type), at::arange(6, at::kLong).view({2, 3}).to(scalar_type_of(type)));
  }
  const Metadata metadata{{"origin", "exchange test"}};
  if (std::string(argv[1]) == "write") {
    save_tensors(argv[2], tensors, metadata);
    return 0;
  }
  const SafetensorsReader file(argv[2]);
  bool equal = file.metadata() == metadata && file.tensors().size() == tensors.size();
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor back = read_tensor(file, name);
    if (back.scalar_type() != tensor.scalar_type() ||
        !at::equal(back.view(at::kByte), tensor.view(at::kByte))) {
      std::cerr << "tensor " << name << " differs\n";
      equal = false;
    }
  }
  return equal ? 0 : 1;
}
