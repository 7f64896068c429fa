#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace terramill::corpus {

/// Where the stored bytes of one tile's modality lie in its shard file.
struct ChunkLocation {
  std::uint64_t offset = 0;  ///< bytes from the file's start
  std::uint64_t size = 0;    ///< stored bytes
  std::uint64_t xxh3 = 0;    ///< of the stored bytes
};

/// The `.idx` file beside a shard: the location of every (tile, modality), so that readers need neither HDF5
/// nor its O(n) chunk queries. Image-level modalities are contiguous; their location is that of the tile's
/// row.
///
/// File: "TMILLIDX", u32 version 1, u32 modalities, u64 tiles, then tiles x modalities x {u64 offset, u64
/// size, u64 xxh3} with the modality fastest, then u64 xxh3 of all before; little-endian.
class ShardIndex {
 public:
  ShardIndex() = default;
  ShardIndex(std::uint64_t tiles, std::uint32_t modalities);
  /// IoError, FormatError, IntegrityError with the path.
  static ShardIndex read(const std::filesystem::path& path);
  void write(const std::filesystem::path& path) const;

  std::uint64_t tiles() const noexcept { return tiles_; }
  std::uint32_t modalities() const noexcept { return modalities_; }
  ChunkLocation& at(std::uint64_t row, std::uint32_t modality) {
    return locations_[row * modalities_ + modality];
  }
  const ChunkLocation& at(std::uint64_t row, std::uint32_t modality) const {
    return locations_[row * modalities_ + modality];
  }

 private:
  std::uint64_t tiles_ = 0;
  std::uint32_t modalities_ = 0;
  std::vector<ChunkLocation> locations_;
};

}  // namespace terramill::corpus
