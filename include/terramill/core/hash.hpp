#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace terramill {

/// XXH3 64-bit (xxHash 0.8) of a byte range, seed 0.
std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept;
std::uint64_t xxh3(std::string_view text) noexcept;

/// XXH3 64-bit of a stream; equal to `xxh3` of the concatenation.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// Hashes the object representation of an integer, little-endian.
  void update_u64(std::uint64_t value);
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3 64-bit of a whole file, read in blocks. IoError when it cannot be read.
std::uint64_t xxh3_file(const std::filesystem::path& path);

/// 16 lower-case hexadecimal digits, and back; FormatError for anything else.
std::string to_hex(std::uint64_t hash);
std::uint64_t from_hex(std::string_view text);

}  // namespace terramill
