#include "bytes.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/shard_index.hpp>

#include <algorithm>
#include <cstring>

namespace terramill::corpus {
namespace {

constexpr std::string_view kMagic = "TMILLIDX";
constexpr std::uint32_t kVersion = 1;
static_assert(sizeof(ChunkLocation) == 24, "locations are stored as they lie in memory");

}  // namespace

ShardIndex::ShardIndex(std::uint64_t tiles, std::uint32_t modalities)
    : tiles_(tiles), modalities_(modalities), locations_(tiles * modalities) {}

ShardIndex ShardIndex::read(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_bytes(path);
  ErrorContext context{"read a shard index", path.string(), "verify the corpus"};
  constexpr std::size_t kHead = 24, kTail = 8;
  if (bytes.size() < kHead + kTail || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw FormatError(path.string() + " is no shard index", context);
  }
  const auto all = std::span(bytes);
  std::uint64_t stored = 0;
  std::memcpy(&stored, all.last(kTail).data(), kTail);
  if (xxh3(all.first(all.size() - kTail)) != stored) {
    throw IntegrityError(path.string() + " does not agree with its own hash", context);
  }
  ByteReader in(all.first(all.size() - kTail), path.string());
  in.get_bytes(kMagic.size());
  const auto version = in.get<std::uint32_t>();
  if (version != kVersion) {
    throw FormatError(path.string() + " has version " + std::to_string(version) + ", not 1", context);
  }
  ShardIndex index;
  index.modalities_ = in.get<std::uint32_t>();
  index.tiles_ = in.get<std::uint64_t>();
  const std::size_t count = in.remaining() / sizeof(ChunkLocation);
  if (in.remaining() % sizeof(ChunkLocation) != 0 || index.modalities_ == 0 ||
      count % index.modalities_ != 0 || count / index.modalities_ != index.tiles_) {
    throw FormatError(path.string() + " has not the size that its head tells", context);
  }
  index.locations_.resize(count);
  if (count > 0)
    std::memcpy(index.locations_.data(), in.get_bytes(in.remaining()).data(), count * sizeof(ChunkLocation));
  return index;
}

void ShardIndex::write(const std::filesystem::path& path) const {
  ByteWriter out;
  out.put_bytes(std::as_bytes(std::span(kMagic)));
  out.put(kVersion);
  out.put(modalities_);
  out.put(tiles_);
  out.put_bytes(std::as_bytes(std::span(locations_)));
  out.put(xxh3(out.bytes()));
  const auto bytes = out.bytes();
  write_file_durably(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace terramill::corpus
