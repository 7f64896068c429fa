#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>

#include <array>
#include <new>
#include <string>
#include <vector>

#include <xxhash.h>

namespace terramill {
namespace {

constexpr std::size_t kFileBlock = std::size_t{1} << 20;

}  // namespace

std::uint64_t xxh3(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t xxh3(std::string_view text) noexcept { return XXH3_64bits(text.data(), text.size()); }

struct Xxh3::State {
  State() : handle(XXH3_createState()) {
    if (handle == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(handle);
  }
  ~State() { XXH3_freeState(handle); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* handle;
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) {}
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (XXH3_64bits_update(state_->handle, bytes.data(), bytes.size()) != XXH_OK) {
    throw LibraryError("xxHash refused to update a hash");
  }
}

void Xxh3::update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }

void Xxh3::update_u64(std::uint64_t value) {
  std::array<std::byte, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  update(bytes);
}

std::uint64_t Xxh3::digest() const { return XXH3_64bits_digest(state_->handle); }

std::uint64_t xxh3_file(const std::filesystem::path& path) {
  const auto file = FileDescriptor::open_read(path);
  const std::uint64_t size = file.size();
  std::vector<std::byte> block(std::min<std::uint64_t>(kFileBlock, size));
  Xxh3 hash;
  for (std::uint64_t offset = 0; offset < size;) {
    const auto part = std::span(block).first(std::min<std::uint64_t>(block.size(), size - offset));
    file.read_at(offset, part);
    hash.update(part);
    offset += part.size();
  }
  return hash.digest();
}

std::string to_hex(std::uint64_t hash) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[15 - i] = kDigits[(hash >> (4 * i)) & 15U];
  return text;
}

std::uint64_t from_hex(std::string_view text) {
  std::uint64_t value = 0;
  bool good = text.size() == 16;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    good = good && (digit || (c >= 'a' && c <= 'f'));
    value = (value << 4) | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  if (!good) {
    throw FormatError("a hash is 16 lower-case hexadecimal digits, not \"" + std::string(text) + "\"");
  }
  return value;
}

}  // namespace terramill
