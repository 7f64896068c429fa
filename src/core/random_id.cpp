#include <terramill/core/hash.hpp>
#include <terramill/core/random_id.hpp>

#include <cstdint>
#include <random>

namespace terramill {

std::string random_id() {
  std::random_device source;
  return to_hex(std::uint64_t{source()} << 32 | source());
}

}  // namespace terramill
