#pragma once

#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/hdf5.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/shard_index.hpp>
#include <terramill/corpus/tile_encoder.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Texts of the shard's "metadata" dataset, a compound {tile_id: S100, S2_type: S10} as in the official
/// files.
inline constexpr std::size_t kTileIdBytes = 100, kS2TypeBytes = 10;
struct ShardMetadata {
  std::string tile_id, s2_type;
  bool operator==(const ShardMetadata&) const = default;
};
std::string_view name_of(S2Type type) noexcept;  ///< "l1c", "l2a", ""
std::vector<ShardMetadata> read_metadata(const std::filesystem::path& shard);

/// Writes one shard: the `.h5` file, chunk by chunk in row order, and its `.idx`. The bytes depend on the
/// tiles, the schema and the codec alone. Everything throws LibraryError or IoError with the path.
class ShardWriter {
 public:
  /// Starts the temporary file of `path` (core/file.hpp); at most `capacity` tiles will follow.
  ShardWriter(std::filesystem::path path, std::shared_ptr<const Schema> schema, Codec codec,
              std::uint64_t capacity);
  void append(const EncodedTile& tile);
  /// Completes the file, finds every chunk in it and compares its bytes with what was appended, writes
  /// `index_path`, and gives both files their names.
  ShardEntry finish(const std::filesystem::path& index_path);

 private:
  h5::Handle create_pixels(const Modality& modality, Codec codec, std::uint64_t capacity);
  void write_image_level();
  void write_metadata();
  ShardIndex locate();

  std::filesystem::path path_, temporary_;
  std::shared_ptr<const Schema> schema_;
  h5::Handle file_;
  std::vector<h5::Handle> datasets_;                 // pixel modalities; the others are written by finish
  std::vector<std::vector<std::byte>> image_level_;  // per modality
  std::vector<ShardMetadata> metadata_;
  std::vector<ChunkLocation> locations_;  // tiles x modalities, offsets as expected
  Xxh3 content_;
  std::uint64_t capacity_;
};

/// Reads the tiles of one shard by its `.idx`, without HDF5. Not thread-safe: one per thread.
class ShardReader {
 public:
  /// `schema` outlives the reader. IoError, FormatError, IntegrityError when the index or the file is missing
  /// or damaged.
  ShardReader(const std::filesystem::path& corpus, std::uint64_t shard, const Schema& schema, Codec codec);

  const ShardIndex& index() const noexcept { return index_; }
  /// The decoded values [C, H, W] or [C] of one modality of one row. IntegrityError when the stored bytes do
  /// not agree with their hash, FormatError when they do not decode to a tile's size.
  std::vector<std::byte> read(std::uint64_t row, std::size_t modality);
  /// The stored bytes of what was read last.
  const std::vector<std::byte>& stored() const noexcept { return stored_; }

 private:
  const Schema& schema_;
  FileDescriptor file_;
  ShardIndex index_;
  ChunkDecoder decoder_;
  std::vector<std::byte> stored_;
};

}  // namespace terramill::corpus
