#pragma once

#include <terramill/core/file.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terramill::train {

/// CRC-32C (Castagnoli), as the TFRecord format uses it.
std::uint32_t crc32c(std::string_view bytes) noexcept;

/// Writes scalars as a TensorBoard event file: TFRecord frames of tensorflow.Event messages.
class EventWriter {
 public:
  /// A new file in `directory`; its name carries time and host, so that a resumed run never overwrites one.
  /// `first_step` marks a session start: TensorBoard then drops what an earlier, killed session wrote at this
  /// step or later.
  EventWriter(const std::filesystem::path& directory, std::int64_t first_step);

  /// One event with all `values` (tag, value) of a step.
  void scalars(std::int64_t step, std::span<const std::pair<std::string, double>> values);

 private:
  void write_event(std::int64_t step, std::string_view payload);
  FileDescriptor file_;
};

}  // namespace terramill::train
