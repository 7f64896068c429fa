#pragma once

#include <terramill/core/file.hpp>
#include <terramill/loader/loader.hpp>

#include <cstdint>
#include <filesystem>

namespace terramill::train {

/// What a replica consumed: DIR/replica-NNNNN.jsonl, one line per micro-batch, {"step", "epoch",
/// "micro_batch", "skipped", "tiles": [keys]}. Sessions append; a step that is replayed, or repeated by a
/// resumed run, stands there again, with the same tiles.
class SampleLog {
 public:
  /// IoError.
  SampleLog(const std::filesystem::path& folder, int replica);
  void write(std::int64_t step, std::uint64_t epoch, int micro_batch, bool skipped,
             const loader::MicroBatch& loaded);

 private:
  FileDescriptor file_;
};

}  // namespace terramill::train
