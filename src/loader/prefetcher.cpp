#include "prefetcher.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <system_error>

namespace terramill::loader {
namespace {

constexpr std::size_t kMostAttempts = 16;  // reserve tiles tried for one position

/// A number that depends on the position alone.
std::uint64_t hash_of(std::uint64_t position) { return xxh3(std::as_bytes(std::span(&position, 1))); }

}  // namespace

Prefetcher::Prefetcher(TileReader& reader, const LoaderOptions& options, Allocator allocator)
    : reader_(reader), options_(options), allocator_(std::move(allocator)) {
  try {
    for (int i = 0; i < options.threads; ++i) workers_.emplace_back([this, i] { run(i); });
  } catch (const std::system_error& fault) {
    stop();
    throw LibraryError(fault.what(), {"start the loader's threads", std::to_string(options.threads), ""});
  }
}

Prefetcher::~Prefetcher() { stop(); }

void Prefetcher::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_ready_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Prefetcher::start(Work work) {
  if (work.micro_batch < 1 || work.positions.size() != work.entries.size()) {
    throw UsageError("a micro-batch has at least one sample, and every position an entry",
                     {"start loading", "epoch " + std::to_string(work.epoch), ""});
  }
  std::unique_lock lock(mutex_);
  next_sample_ = work_.entries.size();  // nothing new is begun
  batch_ready_.wait(lock, [&] { return busy_ == 0; });
  slots_.clear();
  const auto capacity = static_cast<std::size_t>(work.micro_batch);
  if (!layout_ || layout_->capacity() != capacity) {
    layout_.emplace(reader_.conversions(), reader_.crop_size(), capacity);
    pool_ = BufferPool::create(layout_->bytes(), allocator_);
  }
  known_.clear();
  for (const Replacement& replacement : work.replaced) {
    if (replacement.epoch == work.epoch) known_.emplace(replacement.position, replacement);
  }
  work_ = std::move(work);
  next_sample_ = next_batch_ = 0;
  lock.unlock();
  work_ready_.notify_all();
}

bool Prefetcher::has_work() const {
  if (next_sample_ >= work_.entries.size()) return false;
  const std::size_t batch = next_sample_ / layout_->capacity();
  return batch < next_batch_ + static_cast<std::size_t>(options_.prefetch);
}

Prefetcher::Slot& Prefetcher::slot_of(std::size_t batch) {
  const auto found = slots_.find(batch);
  if (found != slots_.end()) return found->second;
  const std::size_t begin = batch * layout_->capacity();
  const std::size_t samples = std::min(layout_->capacity(), work_.entries.size() - begin);
  Slot slot;
  slot.batch = layout_->make(pool_->take(), samples);
  slot.batch.index = batch;
  slot.replaced.resize(samples);
  slot.failed.resize(samples);
  slot.remaining = samples;
  return slots_.emplace(batch, std::move(slot)).first->second;
}

void Prefetcher::run(int worker) {
  try {
    serve(worker);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failed_ = std::current_exception();
    batch_ready_.notify_all();
  }
}

void Prefetcher::serve(int worker) {
  trace::name_thread("loader-" + std::to_string(worker));
  Scratch scratch(reader_.manifest().codec);
  std::unique_lock lock(mutex_);
  for (;;) {
    work_ready_.wait(lock, [&] { return stopping_ || has_work(); });
    if (stopping_) return;
    const std::size_t sample = next_sample_++;
    Slot& slot = slot_of(sample / layout_->capacity());  // map nodes stay where they are
    ++busy_;
    lock.unlock();
    load(sample, slot, scratch);
    lock.lock();
    --busy_;
    if (--slot.remaining == 0 || busy_ == 0) batch_ready_.notify_all();
  }
}

void Prefetcher::load(std::size_t sample, Slot& slot, Scratch& scratch) {
  const std::size_t i = sample % layout_->capacity();
  try {
    slot.replaced[i] = load_entry(sample, slot.batch, i, scratch);
  } catch (...) {
    slot.failed[i] = std::current_exception();  // next() rethrows it in its turn
  }
}

std::optional<Replacement> Prefetcher::load_entry(std::size_t sample, MicroBatch& batch, std::size_t i,
                                                  Scratch& scratch) {
  const std::uint64_t position = work_.positions[sample];
  const auto read = [&](const sampling::PlanEntry& entry) {
    batch.positions[i] = position;
    batch.tile_keys[i] = entry.tile_key;
    batch.windows[i] = window_of(position, entry.tile_key);
    auto result = reader_.read(entry, layout_->place(batch, i), scratch);
    if (result) batch.index_rows[i] = reader_.shards().first_row(entry.shard) + entry.row;
    return result;
  };
  const sampling::PlanEntry& entry = work_.entries[sample];
  std::string reason;
  if (const auto known = known_.find(position); known != known_.end()) {
    const auto result = read(known->second.replacement);
    if (result) return known->second;
    throw IntegrityError("a tile that stood in for a bad one is bad now: " + result.error().reason,
                         {"load position " + std::to_string(position), "",
                          "run terramill corpus verify; build the corpus again where it finds damage"});
  }
  const auto result = read(entry);
  if (result) return std::nullopt;
  const std::size_t reserve = work_.reserve.size();
  for (std::size_t attempt = 0; attempt < std::min(reserve, kMostAttempts); ++attempt) {
    const sampling::PlanEntry& other = work_.reserve[(hash_of(position) + attempt) % reserve];
    if (read(other)) return Replacement{work_.epoch, position, entry, other, result.error().reason};
  }
  throw IntegrityError("no tile of the reserve can stand in for a bad one: " + result.error().reason,
                       {"load position " + std::to_string(position), "",
                        "run terramill corpus verify; build the corpus again where it finds damage"});
}

Window Prefetcher::window_of(std::uint64_t position, std::uint64_t tile_key) const {
  const corpus::Schema& schema = reader_.manifest().schema;
  const int free_x = schema.width - reader_.crop_size(), free_y = schema.height - reader_.crop_size();
  if (!options_.random_crop || (free_x == 0 && free_y == 0)) return {free_x / 2, free_y / 2};
  PhiloxStream stream(work_.seed, Purpose::kCrop, work_.epoch << 40 | position, tile_key);
  const auto x = static_cast<int>(stream.below(static_cast<std::uint64_t>(free_x) + 1));
  const auto y = static_cast<int>(stream.below(static_cast<std::uint64_t>(free_y) + 1));
  return {x, y};
}

std::optional<Loaded> Prefetcher::next() {
  std::unique_lock lock(mutex_);
  if (!layout_ || next_batch_ * layout_->capacity() >= work_.entries.size()) return std::nullopt;
  batch_ready_.wait(lock, [&] {
    const auto slot = slots_.find(next_batch_);
    return failed_ || (slot != slots_.end() && slot->second.remaining == 0);
  });
  if (failed_) std::rethrow_exception(failed_);
  Slot slot = std::move(slots_.extract(next_batch_).mapped());
  ++next_batch_;
  if (trace::recording()) {
    trace::counter("micro-batches ready", std::count_if(slots_.begin(), slots_.end(), [](const auto& entry) {
                     return entry.second.remaining == 0;
                   }));
  }
  lock.unlock();
  work_ready_.notify_all();
  for (const std::exception_ptr& failed : slot.failed) {
    if (failed) std::rethrow_exception(failed);
  }
  Loaded loaded{std::move(slot.batch), {}};
  for (auto& replaced : slot.replaced) {
    if (replaced) loaded.replaced.push_back(std::move(*replaced));
  }
  return loaded;
}

}  // namespace terramill::loader
