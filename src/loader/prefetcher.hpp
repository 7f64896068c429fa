#pragma once

#include "batch_layout.hpp"
#include "tile_reader.hpp"

#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace terramill::loader {

/// A micro-batch with the replacements that went into it, in order of position in the Work.
struct Loaded {
  MicroBatch batch;
  std::vector<Replacement> replaced;
};

/// The worker threads of a loader. Each takes the next sample of the Work, wherever its micro-batch is, so
/// that the first micro-batch is whole as early as can be; micro-batches are given out strictly in order.
class Prefetcher {
 public:
  Prefetcher(TileReader& reader, const LoaderOptions& options, Allocator allocator);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  void start(Work work);
  /// Empty after the last. Rethrows what stopped the first sample, in order, that failed.
  std::optional<Loaded> next();

 private:
  struct Slot {
    MicroBatch batch;
    std::vector<std::optional<Replacement>> replaced;  // per sample
    std::vector<std::exception_ptr> failed;            // per sample
    std::size_t remaining = 0;
  };

  void run(int worker);
  void serve(int worker);
  void stop() noexcept;
  bool has_work() const;
  Slot& slot_of(std::size_t batch);
  void load(std::size_t sample, Slot& slot, Scratch& scratch);
  std::optional<Replacement> load_entry(std::size_t sample, MicroBatch& batch, std::size_t i,
                                        Scratch& scratch);
  Window window_of(std::uint64_t position, std::uint64_t tile_key) const;

  TileReader& reader_;
  const LoaderOptions options_;
  const Allocator allocator_;

  std::mutex mutex_;
  std::condition_variable work_ready_, batch_ready_;
  // Set by start() while no worker is busy, read by busy workers:
  Work work_;
  std::map<std::uint64_t, Replacement> known_;  // by position
  std::optional<BatchLayout> layout_;
  // Guarded by mutex_:
  std::shared_ptr<BufferPool> pool_;
  std::map<std::size_t, Slot> slots_;
  std::size_t next_sample_ = 0, next_batch_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
  std::exception_ptr failed_;  ///< what ended a worker

  std::vector<std::thread> workers_;
};

}  // namespace terramill::loader
