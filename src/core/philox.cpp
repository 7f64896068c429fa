#include <terramill/core/philox.hpp>

#include <cmath>
#include <numbers>

namespace terramill {
namespace {

constexpr std::uint32_t low(std::uint64_t value) noexcept { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) noexcept { return static_cast<std::uint32_t>(value >> 32); }
constexpr std::uint64_t join(std::uint32_t lower, std::uint32_t upper) noexcept {
  return (static_cast<std::uint64_t>(upper) << 32) | lower;
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) noexcept {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1), high(product0) ^ counter[3] ^ key[1],
               low(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

PhiloxStream::PhiloxStream(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b) noexcept {
  const auto derived = philox4x32_10({low(a), high(a), low(b), high(b)}, {low(seed), high(seed)});
  counter_ = {0, static_cast<std::uint32_t>(purpose), derived[2], derived[3]};
  key_ = {derived[0], derived[1]};
}

PhiloxStream::result_type PhiloxStream::operator()() noexcept {
  if (used_ == 4) {
    block_ = philox4x32_10(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

std::uint64_t PhiloxStream::next_u64() noexcept {
  const std::uint32_t lower = (*this)();
  const std::uint32_t upper = (*this)();
  return join(lower, upper);
}

double PhiloxStream::uniform() noexcept { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

std::uint64_t PhiloxStream::below(std::uint64_t n) noexcept {
  const std::uint64_t remainder = (0 - n) % n;  // 2^64 mod n: values below it would favour small results
  std::uint64_t value = next_u64();
  while (value < remainder) value = next_u64();
  return value % n;
}

double PhiloxStream::normal() noexcept {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

std::uint64_t philox_key(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b) noexcept {
  return PhiloxStream(seed, purpose, a, b).next_u64();
}

}  // namespace terramill
