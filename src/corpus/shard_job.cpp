#include "shard_job.hpp"

#include <terramill/core/activity.hpp>

#include <algorithm>

namespace terramill::corpus {
namespace {

/// What a shard cannot hold is set aside like any other bad tile.
std::optional<TileFault> unfit(const Tile& tile) {
  const auto fault = [&](const char* reason) { return TileFault{tile.record.tile_id, "", reason}; };
  if (tile.record.tile_id.empty()) return fault("the tile has no identifier");
  if (tile.record.tile_id.size() > kTileIdBytes)
    return fault("the tile's identifier is longer than 100 bytes");
  return std::nullopt;
}

}  // namespace

EncodedTile EncoderLender::encode(const Tile& tile) {
  std::unique_ptr<TileEncoder> encoder;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      encoder = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!encoder) encoder = std::make_unique<TileEncoder>(schema_, codec_, level_);
  EncodedTile encoded = encoder->encode(tile);
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(encoder));
  return encoded;
}

ShardJob::ShardJob(const ShardPlan& plan, ThreadPool& pool, std::uint64_t shard)
    : plan_(plan),
      pool_(pool),
      shard_(shard),
      next_(shard * plan.shard_tiles),
      end_(std::min(plan.candidates, next_ + plan.shard_tiles)),
      part_(*plan.schema) {
  refill();
}

void ShardJob::refill() {
  while (flight_.size() < plan_.window && next_ < end_) {
    // The job owns what it uses: an exception may end this object first.
    flight_.push_back(
        pool_.submit([source = plan_.source, encoders = plan_.encoders, i = next_]() -> Outcome {
          auto tile = source->load(i);
          if (!tile) return Unexpected(std::move(tile.error()));
          if (auto fault = unfit(*tile)) return Unexpected(std::move(*fault));
          return encoders->encode(*tile);
        }));
    ++next_;
  }
}

void ShardJob::run(const std::function<void()>& tile_done) {
  writer_ = std::make_unique<ShardWriter>(shard_path(plan_.corpus, shard_), plan_.schema, plan_.codec,
                                          end_ - shard_ * plan_.shard_tiles);
  while (!flight_.empty()) {
    Outcome outcome = [&] {
      const Activity activity("wait for the threads of the pool");
      return flight_.front().get();
    }();
    flight_.pop_front();
    refill();
    if (outcome) {
      writer_->append(*outcome);
      part_.statistics.add(outcome->moments, outcome->record.s2_type);
      outcome->record.shard = static_cast<std::uint32_t>(shard_);
      outcome->record.row = static_cast<std::uint32_t>(part_.records.size());
      part_.records.push_back(std::move(outcome->record));
    } else {
      part_.faults.push_back(std::move(outcome.error()));
    }
    tile_done();
  }
}

ShardPart ShardJob::finish() {
  part_.entry = writer_->finish(shard_index_path(plan_.corpus, shard_));
  writer_.reset();
  return std::move(part_);
}

}  // namespace terramill::corpus
