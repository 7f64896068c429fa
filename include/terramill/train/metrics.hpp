#pragma once

#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/train/tensorboard.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace terramill::train {

using Scalars = std::vector<std::pair<std::string, double>>;

/// The record of a run: RUN/metrics.jsonl, one JSON object per line with "step", and the same numbers as
/// TensorBoard events under RUN/events. Held by rank 0. A disk that is full, or fails, does not end a run:
/// the log warns, and lines wait in memory until they can be written; events are lost.
class MetricsWriter {
 public:
  /// `first_step`: the first step that will be written. Lines of an earlier session at that step or later are
  /// dropped, so that the file reads as if the run had never been disturbed, and so are lines that are torn
  /// or damaged, with a warning. `evaluates_again`: validation and kNN of the step before are to be made
  /// again, too; TensorBoard then has both, since what a session start drops there are whole steps, training
  /// included. IoError where metrics.jsonl cannot be read or written.
  MetricsWriter(const std::filesystem::path& run, std::int64_t first_step, bool evaluates_again = false);

  /// The run went back: lines at `first_step` or later are dropped, as soon as the disk allows.
  void go_back_to(std::int64_t first_step);

  /// `kind`: "train", "validation" or "knn"; tags in TensorBoard are kind/name.
  void write(const std::string& kind, std::int64_t step, const Scalars& values);

  /// A line that is more than numbers; `fields` is an object. Not for TensorBoard.
  void note(const std::string& kind, std::int64_t step, const Json& fields);

 private:
  void append(const std::string& line);
  void flush();
  void write_events(std::int64_t step, const Scalars& tagged);

  std::filesystem::path run_;
  std::optional<std::int64_t> gone_back_to_;  ///< a cut of the file that is to come
  FileDescriptor file_;
  std::uint64_t written_;  ///< bytes of the file, all of whole lines
  std::string waiting_;    ///< lines that are to come
  bool warned_ = false, warned_of_events_ = false;
  std::optional<EventWriter> events_;  ///< none: to be made, as of `events_from_`
  std::int64_t events_from_;
};

}  // namespace terramill::train
