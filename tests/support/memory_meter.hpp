#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

namespace terramill::testing {

/// Bytes of LibTorch's tensors on the CPU that this thread, and backward passes that it starts, have taken
/// and not given back since the meter was made.
class MemoryMeter {
 public:
  std::int64_t now() const noexcept { return counts_->now; }
  /// The most since the meter was made, or since `restart`.
  std::int64_t peak() const noexcept { return counts_->peak; }
  void restart() noexcept { counts_->peak = counts_->now; }

 private:
  struct Counts final : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void* /*ptr*/, std::int64_t size, std::size_t /*allocated*/,
                           std::size_t /*reserved*/, c10::Device /*device*/) override {
      now += size;
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
    std::int64_t now = 0, peak = 0;
  };

  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE, counts_};
};

}  // namespace terramill::testing
