#pragma once

#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/train/tensorboard.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace terramill::train {

using Scalars = std::vector<std::pair<std::string, double>>;

/// The record of a run: RUN/metrics.jsonl, one JSON object per line with "step", and the same numbers as
/// TensorBoard events under RUN/events. Held by rank 0. A disk that is full, or fails, does not end a run:
/// the log warns, and lines wait in memory until they can be written.
class MetricsWriter {
 public:
  /// `first_step`: the first step that will be written. Lines of an earlier session at that step or later are
  /// dropped, and so is a line torn by a kill: the file then reads as if the run had never been disturbed.
  MetricsWriter(const std::filesystem::path& run, std::int64_t first_step);

  /// `kind`: "train", "validation" or "knn"; tags in TensorBoard are kind/name.
  void write(const std::string& kind, std::int64_t step, const Scalars& values);

  /// A line that is more than numbers; `fields` is an object. Not for TensorBoard.
  void note(const std::string& kind, std::int64_t step, const Json& fields);

 private:
  void append(const std::string& line);

  FileDescriptor file_;
  std::uint64_t written_;  ///< bytes of the file, all of whole lines
  std::string waiting_;    ///< lines that are to come
  bool warned_ = false;
  EventWriter events_;
};

}  // namespace terramill::train
