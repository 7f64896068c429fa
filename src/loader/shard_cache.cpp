#include "shard_cache.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>

namespace terramill::loader {

ShardCache::ShardCache(std::filesystem::path corpus, const corpus::Manifest& manifest, std::size_t capacity)
    : corpus_(std::move(corpus)),
      index_(corpus_ / corpus::kIndexFile),
      modalities_(manifest.schema.modalities.size()),
      capacity_(capacity),
      first_row_(1, 0) {
  for (const auto& shard : manifest.shards) first_row_.push_back(first_row_.back() + shard.tiles);
  if (index_.rows() != first_row_.back()) {
    throw FormatError("the index has " + std::to_string(index_.rows()) + " rows, the shards " +
                          std::to_string(first_row_.back()) + " tiles",
                      {"open a corpus for loading", corpus_.string(), "verify the corpus"});
  }
}

std::uint32_t ShardCache::shard_of(std::uint64_t index_row) const {
  const auto after = std::upper_bound(first_row_.begin(), first_row_.end(), index_row);
  return static_cast<std::uint32_t>(after - first_row_.begin() - 1);
}

std::shared_ptr<const OpenShard> ShardCache::open(std::uint32_t shard) const {
  if (std::size_t{shard} + 1 >= first_row_.size()) {
    throw FormatError("there is no shard " + std::to_string(shard), {"open a shard", corpus_.string(), ""});
  }
  auto opened = std::make_shared<OpenShard>();
  const auto path = corpus::shard_index_path(corpus_, shard);
  opened->chunks = corpus::ShardIndex::read(path);
  const std::uint64_t tiles = first_row_[shard + 1] - first_row_[shard];
  if (opened->chunks.tiles() != tiles || opened->chunks.modalities() != modalities_) {
    throw FormatError(path.string() + " is not of this corpus",
                      {"open a shard", path.string(), "verify the corpus"});
  }
  auto columns = index_.read(first_row_[shard], tiles, corpus::kS2Type | corpus::kPresent);
  opened->s2_type = std::move(columns.s2_type);
  opened->present = std::move(columns.present);
  opened->file = FileDescriptor::open_read(corpus::shard_path(corpus_, shard));
  return opened;
}

std::shared_ptr<const OpenShard> ShardCache::get(std::uint32_t shard) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(shard); found != entries_.end()) {
      order_.splice(order_.begin(), order_, found->second.place);
      return found->second.shard;
    }
  }
  auto opened = open(shard);  // outside the lock: other shards stay readable meanwhile
  const std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(shard); found != entries_.end()) return found->second.shard;
  while (entries_.size() >= capacity_) {
    entries_.erase(order_.back());
    order_.pop_back();
  }
  order_.push_front(shard);
  entries_.emplace(shard, Entry{opened, order_.begin()});
  return opened;
}

void ShardCache::drop(std::uint32_t shard) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(shard);
  if (found == entries_.end()) return;
  order_.erase(found->second.place);
  entries_.erase(found);
}

}  // namespace terramill::loader
