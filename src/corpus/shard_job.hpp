#pragma once

// Building one shard on one rank; internal to the corpus room.

#include "part.hpp"

#include <terramill/core/expected.hpp>
#include <terramill/core/thread_pool.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/corpus/source.hpp>

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

namespace terramill::corpus {

/// Lends encoders to the pool's threads, making as many as are in use at once.
class EncoderLender {
 public:
  EncoderLender(std::shared_ptr<const Schema> schema, Codec codec, int level)
      : schema_(std::move(schema)), codec_(codec), level_(level) {}
  EncodedTile encode(const Tile& tile);

 private:
  std::shared_ptr<const Schema> schema_;
  Codec codec_;
  int level_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<TileEncoder>> idle_;
};

/// What every shard of a build shares.
struct ShardPlan {
  std::filesystem::path corpus;
  std::shared_ptr<const Source> source;
  std::shared_ptr<const Schema> schema;
  std::shared_ptr<EncoderLender> encoders;
  Codec codec = Codec::kDeflate;
  std::uint64_t candidates = 0, shard_tiles = 0;
  std::size_t window = 1;  ///< tiles in flight at once: what bounds the memory
};

/// One shard in the making. Construction puts the first tiles into the pool, so that the pool has work while
/// the shard before is being completed.
class ShardJob {
 public:
  ShardJob(const ShardPlan& plan, ThreadPool& pool, std::uint64_t shard);
  std::uint64_t shard() const noexcept { return shard_; }
  /// Appends every tile in order; `tile_done` is called after each candidate.
  void run(const std::function<void()>& tile_done);
  /// Completes the shard's files; the part is left to be written.
  ShardPart finish();

 private:
  using Outcome = Expected<EncodedTile, TileFault>;
  void refill();

  const ShardPlan& plan_;
  ThreadPool& pool_;
  std::uint64_t shard_, next_, end_;
  std::deque<std::future<Outcome>> flight_;
  std::unique_ptr<ShardWriter> writer_;
  ShardPart part_;
};

}  // namespace terramill::corpus
