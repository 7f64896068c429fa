#include <terramill/corpus/codec.hpp>

#include <cstring>

namespace terramill::corpus {
namespace {

// The element size is a template parameter so that the loops vectorise.
template <std::size_t kSize>
void shuffle_fixed(const std::byte* in, std::size_t count, std::byte* out) {
  for (std::size_t j = 0; j < kSize; ++j) {
    std::byte* plane = out + j * count;
    for (std::size_t i = 0; i < count; ++i) plane[i] = in[i * kSize + j];
  }
}

template <std::size_t kSize>
void unshuffle_fixed(const std::byte* in, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) out[i * kSize + j] = in[j * count + i];
  }
}

}  // namespace

void shuffle(std::span<const std::byte> in, std::size_t element_size, std::span<std::byte> out) {
  const std::size_t count = in.size() / element_size;
  switch (element_size) {
    case 1:
      std::memcpy(out.data(), in.data(), in.size());
      return;
    case 2:
      shuffle_fixed<2>(in.data(), count, out.data());
      return;
    case 4:
      shuffle_fixed<4>(in.data(), count, out.data());
      return;
    default:
      for (std::size_t j = 0; j < element_size; ++j) {
        for (std::size_t i = 0; i < count; ++i) out[j * count + i] = in[i * element_size + j];
      }
  }
}

void unshuffle(std::span<const std::byte> in, std::size_t element_size, std::span<std::byte> out) {
  const std::size_t count = in.size() / element_size;
  switch (element_size) {
    case 1:
      std::memcpy(out.data(), in.data(), in.size());
      return;
    case 2:
      unshuffle_fixed<2>(in.data(), count, out.data());
      return;
    case 4:
      unshuffle_fixed<4>(in.data(), count, out.data());
      return;
    default:
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < element_size; ++j) out[i * element_size + j] = in[j * count + i];
      }
  }
}

}  // namespace terramill::corpus
