#pragma once

#include <terramill/core/file.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/shard_index.hpp>

#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace terramill::loader {

/// A shard ready for reading: its file, where its chunks are, and what the index says of its tiles.
struct OpenShard {
  FileDescriptor file;
  corpus::ShardIndex chunks;
  std::vector<std::uint8_t> s2_type;   ///< per row
  std::vector<std::uint32_t> present;  ///< per row
};

/// The shards used last. Thread-safe.
class ShardCache {
 public:
  /// Keeps up to `capacity` >= 1 shards open.
  ShardCache(std::filesystem::path corpus, const corpus::Manifest& manifest, std::size_t capacity);

  /// IoError, FormatError, IntegrityError when the shard cannot be opened; FormatError when there is none of
  /// that number.
  std::shared_ptr<const OpenShard> get(std::uint32_t shard);
  /// Forgets a shard, so that it is opened anew.
  void drop(std::uint32_t shard);

  /// Index row of a shard's first tile.
  std::uint64_t first_row(std::uint32_t shard) const { return first_row_.at(shard); }
  std::uint64_t rows() const noexcept { return first_row_.back(); }
  /// The shard that holds an index row below rows().
  std::uint32_t shard_of(std::uint64_t index_row) const;
  const corpus::IndexReader& index() const noexcept { return index_; }

 private:
  std::shared_ptr<const OpenShard> open(std::uint32_t shard) const;

  std::filesystem::path corpus_;
  corpus::IndexReader index_;
  std::size_t modalities_, capacity_;
  std::vector<std::uint64_t> first_row_;  // per shard, then the number of rows
  std::mutex mutex_;
  std::list<std::uint32_t> order_;  // guarded by mutex_; most recently used first
  struct Entry {
    std::shared_ptr<const OpenShard> shard;
    std::list<std::uint32_t>::iterator place;
  };
  std::unordered_map<std::uint32_t, Entry> entries_;  // guarded by mutex_
};

}  // namespace terramill::loader
