#pragma once

#include <terramill/core/json.hpp>
#include <terramill/report/line_chart.hpp>
#include <terramill/report/tile_map.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// A line of config.ini: `[section] key = value  # origin`.
struct ConfigLine {
  std::string section, key, value, origin;
  bool is_default() const { return origin.empty() || origin == "default"; }
};

/// The lines of an INI file with the comment behind each value as its origin. IoError.
std::vector<ConfigLine> read_configuration(const std::filesystem::path& path);

/// What the first epoch's plan took from the corpus (RUN/sampling.json).
struct SampledTiles {
  std::uint64_t tiles = 0;                            ///< positions of the epoch
  std::vector<double> classes_before, classes_after;  ///< per land-cover class; empty, or 12 each
  std::vector<Position> positions;                    ///< of all tiles, or of some, evenly spaced
};

/// What a run folder tells about its run. Only run.json and metrics.jsonl must be there.
struct RunRecord {
  std::filesystem::path folder;
  Json about;  ///< run.json
  std::map<std::string, std::map<std::string, Series>>
      curves;                             ///< metrics.jsonl: kind -> number -> over steps
  std::vector<ConfigLine> configuration;  ///< config.ini; empty without
  std::optional<SampledTiles> sampled;    ///< sampling.json

  /// The curve of a number, or null where metrics.jsonl has none.
  const Series* curve(const std::string& kind, const std::string& key) const;
  /// The configured value, or nothing.
  std::optional<std::string> configured(const std::string& section, const std::string& key) const;
};

/// Reads a run folder, also while the run goes on: a line of metrics.jsonl still being written is left out.
/// UsageError when `folder` is no run folder; FormatError when a file in it is damaged.
RunRecord read_run(const std::filesystem::path& folder);

/// The key numbers of a run, as `report --json` prints them: null where the run has none.
///
/// model, step, steps, finished, parameters, epochs, images (seen in training), global_batch, replicas, loss,
/// validation_loss, validation_loss_best and its step, knn_accuracy, knn_accuracy_best and its step,
/// images_per_second (median), hours (sum of all steps), data_wait_share, communication_share (of that sum).
Json key_numbers(const RunRecord& run);

}  // namespace terramill::report
