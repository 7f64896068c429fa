#include <terramill/core/error.hpp>
#include <terramill/corpus/codec.hpp>

#include <cstring>
#include <vector>

#include <libdeflate.h>
#include <zstd.h>

namespace terramill::corpus {
namespace {

struct FreeCompressor {
  void operator()(libdeflate_compressor* it) const { libdeflate_free_compressor(it); }
};
struct FreeDecompressor {
  void operator()(libdeflate_decompressor* it) const { libdeflate_free_decompressor(it); }
};
struct FreeZstdCompressor {
  void operator()(ZSTD_CCtx* it) const { ZSTD_freeCCtx(it); }
};
struct FreeZstdDecompressor {
  void operator()(ZSTD_DCtx* it) const { ZSTD_freeDCtx(it); }
};

void check_level(Codec codec, int level) {
  const int highest = codec == Codec::kDeflate ? 12 : 19;
  if (codec != Codec::kNone && (level < 1 || level > highest)) {
    throw UsageError("level " + std::to_string(level) + " is outside 1 to " + std::to_string(highest) +
                         " of " + std::string(name_of(codec)),
                     {"choose a codec", "--level", ""});
  }
}

}  // namespace

Codec codec_from(std::string_view name) {
  for (Codec codec : {Codec::kDeflate, Codec::kZstd, Codec::kNone}) {
    if (name == name_of(codec)) return codec;
  }
  throw UsageError("\"" + std::string(name) + "\" is no codec",
                   {"choose a codec", "--codec", "deflate, zstd or none"});
}

std::string_view name_of(Codec codec) noexcept {
  switch (codec) {
    case Codec::kDeflate:
      return "deflate";
    case Codec::kZstd:
      return "zstd";
    case Codec::kNone:
      return "none";
  }
  return "";
}

std::string library_version(Codec codec) {
  switch (codec) {
    case Codec::kDeflate:
      return "libdeflate " LIBDEFLATE_VERSION_STRING;
    case Codec::kZstd:
      return std::string("zstd ") + ZSTD_versionString();
    case Codec::kNone:
      return "none";
  }
  return "";
}

struct ChunkEncoder::State {
  Codec codec;
  int level;
  std::unique_ptr<libdeflate_compressor, FreeCompressor> deflate;
  std::unique_ptr<ZSTD_CCtx, FreeZstdCompressor> zstd;
  std::vector<std::byte> shuffled, stored;
};

ChunkEncoder::ChunkEncoder(Codec codec, int level) : state_(std::make_unique<State>()) {
  check_level(codec, level);
  state_->codec = codec;
  state_->level = level;
  if (codec == Codec::kDeflate) state_->deflate.reset(libdeflate_alloc_compressor(level));
  if (codec == Codec::kZstd) state_->zstd.reset(ZSTD_createCCtx());
  if ((codec == Codec::kDeflate && !state_->deflate) || (codec == Codec::kZstd && !state_->zstd)) {
    throw LibraryError("no memory for a compressor", {"encode chunks", std::string(name_of(codec)), ""});
  }
}
ChunkEncoder::~ChunkEncoder() = default;
ChunkEncoder::ChunkEncoder(ChunkEncoder&&) noexcept = default;

std::span<const std::byte> ChunkEncoder::encode(std::span<const std::byte> values, std::size_t element_size) {
  State& s = *state_;
  if (s.codec == Codec::kNone) {
    s.stored.assign(values.begin(), values.end());
    return s.stored;
  }
  s.shuffled.resize(values.size());
  shuffle(values, element_size, s.shuffled);
  std::size_t size = 0;
  if (s.codec == Codec::kDeflate) {
    s.stored.resize(libdeflate_zlib_compress_bound(s.deflate.get(), values.size()));
    size = libdeflate_zlib_compress(s.deflate.get(), s.shuffled.data(), s.shuffled.size(), s.stored.data(),
                                    s.stored.size());
    if (size == 0) throw LibraryError("libdeflate could not compress a chunk", {"encode a chunk", "", ""});
  } else {
    s.stored.resize(ZSTD_compressBound(values.size()));
    size = ZSTD_compressCCtx(s.zstd.get(), s.stored.data(), s.stored.size(), s.shuffled.data(),
                             s.shuffled.size(), s.level);
    if (ZSTD_isError(size)) throw LibraryError(ZSTD_getErrorName(size), {"encode a chunk", "zstd", ""});
  }
  return std::span(s.stored).first(size);
}

struct ChunkDecoder::State {
  Codec codec;
  std::unique_ptr<libdeflate_decompressor, FreeDecompressor> deflate;
  std::unique_ptr<ZSTD_DCtx, FreeZstdDecompressor> zstd;
  std::vector<std::byte> shuffled;
};

ChunkDecoder::ChunkDecoder(Codec codec) : state_(std::make_unique<State>()) {
  state_->codec = codec;
  if (codec == Codec::kDeflate) state_->deflate.reset(libdeflate_alloc_decompressor());
  if (codec == Codec::kZstd) state_->zstd.reset(ZSTD_createDCtx());
  if ((codec == Codec::kDeflate && !state_->deflate) || (codec == Codec::kZstd && !state_->zstd)) {
    throw LibraryError("no memory for a decompressor", {"decode chunks", std::string(name_of(codec)), ""});
  }
}
ChunkDecoder::~ChunkDecoder() = default;
ChunkDecoder::ChunkDecoder(ChunkDecoder&&) noexcept = default;

void ChunkDecoder::decode(std::span<const std::byte> stored, std::size_t element_size,
                          std::span<std::byte> values) {
  State& s = *state_;
  const auto refuse = [&](const std::string& why) {
    throw FormatError("a chunk of " + std::to_string(stored.size()) + " bytes does not decode to " +
                          std::to_string(values.size()) + " bytes: " + why,
                      {"decode a chunk", std::string(name_of(s.codec)), ""});
  };
  if (s.codec == Codec::kNone) {
    if (stored.size() != values.size()) refuse("its size differs");
    std::memcpy(values.data(), stored.data(), values.size());
    return;
  }
  // Bytes of single-byte elements lie as they are: no second pass over them.
  const bool direct = element_size == 1;
  if (!direct) s.shuffled.resize(values.size());
  const std::span<std::byte> target = direct ? values : std::span(s.shuffled);
  if (s.codec == Codec::kDeflate) {
    const libdeflate_result result = libdeflate_zlib_decompress(s.deflate.get(), stored.data(), stored.size(),
                                                                target.data(), target.size(), nullptr);
    if (result == LIBDEFLATE_SHORT_OUTPUT) refuse("it is shorter");
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) refuse("it is longer");
    if (result != LIBDEFLATE_SUCCESS) refuse("it is no zlib stream");
  } else {
    const std::size_t size =
        ZSTD_decompressDCtx(s.zstd.get(), target.data(), target.size(), stored.data(), stored.size());
    if (ZSTD_isError(size)) refuse(ZSTD_getErrorName(size));
    if (size != target.size()) refuse("it is shorter");
  }
  if (!direct) unshuffle(s.shuffled, element_size, values);
}

}  // namespace terramill::corpus
