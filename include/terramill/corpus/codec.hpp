#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::corpus {

/// How pixel chunks are stored. Deflate and zstd are preceded by HDF5's byte shuffle.
enum class Codec { kDeflate, kZstd, kNone };
Codec codec_from(std::string_view name);  ///< UsageError for another word
std::string_view name_of(Codec codec) noexcept;
/// "libdeflate 1.14", "zstd 1.5.4", "none": compressed bytes repeat only within one library version.
std::string library_version(Codec codec);

/// Encodes chunks. Holds scratch memory: one per thread.
class ChunkEncoder {
 public:
  /// `level`: libdeflate 1…12, zstd 1…19.
  ChunkEncoder(Codec codec, int level);
  ~ChunkEncoder();
  ChunkEncoder(ChunkEncoder&&) noexcept;
  /// The stored form of a chunk of elements of `element_size` bytes; valid until the next call.
  std::span<const std::byte> encode(std::span<const std::byte> values, std::size_t element_size);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decodes chunks. Holds scratch memory: one per thread.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(Codec codec);
  ~ChunkDecoder();
  ChunkDecoder(ChunkDecoder&&) noexcept;
  /// Fills `values` exactly; FormatError when the stored bytes are not a chunk of that size.
  void decode(std::span<const std::byte> stored, std::size_t element_size, std::span<std::byte> values);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HDF5's shuffle filter: byte j of every element together, and back. `bytes` is a multiple of
/// `element_size`.
void shuffle(std::span<const std::byte> in, std::size_t element_size, std::span<std::byte> out);
void unshuffle(std::span<const std::byte> in, std::size_t element_size, std::span<std::byte> out);

}  // namespace terramill::corpus
