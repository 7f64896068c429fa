#pragma once

#include <terramill/core/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// Where the time of a step went, in seconds: means over the steps, on the slowest rank.
struct StepPhases {
  double compute = 0;
  double communication_exposed = 0;  ///< waited for
  double communication_hidden = 0;   ///< behind computing; takes no part in the step's time
  double data_wait = 0;
  double checkpoint = 0;
};

/// One measured point of a scaling experiment: what `terramill bench` writes as one JSON line. Each member
/// is the key of its name; `phases` is an object with the keys of StepPhases.
struct ScalingPoint {
  std::string device;     ///< "cpu", or the accelerator's name as its driver tells it
  std::string processor;  ///< the host's
  std::int64_t nodes = 1, ranks = 1;
  std::int64_t dp = 1, tp = 1;  ///< dp x tp = ranks
  bool zero = false;            ///< the optimiser's state is split over dp (ZeRO-1)
  std::string model;            ///< "terrafm" or "mpmae"
  std::string config;           ///< its name
  std::int64_t parameters = 0;
  std::string scaling = "strong";  ///< or "weak"
  std::int64_t micro_batch_size = 0;
  std::int64_t micro_batches = 0;  ///< of the global batch
  std::int64_t global_batch = 0;   ///< micro_batch_size x micro_batches
  std::string codec;               ///< of the corpus: "deflate", "zstd", "none"
  std::string precision;           ///< "float32", "bfloat16", "float64"
  std::string reduction;           ///< of gradients: "fast", "exact"
  bool checkpointing = false;      ///< activations are computed again in the backward pass
  std::int64_t repetition = 0;
  std::int64_t warmup_steps = 0;  ///< before the measured ones
  std::int64_t steps = 0;         ///< measured
  std::vector<double> step_seconds;
  double images_per_second = 0;  ///< of all ranks
  double flops_per_image = 0;    ///< of forward and backward pass
  double gradient_bytes = 0;     ///< reduced per step and rank
  double tp_bytes = 0;           ///< of tensor-parallel collectives, per step and rank
  std::int64_t tp_calls = 0;     ///< such collectives per step
  StepPhases phases;
  std::optional<double> mfu;         ///< share of the peak that the model's own operations reach
  std::optional<double> peak_flops;  ///< of one rank's device, per second

  /// Mean of step_seconds.
  double seconds_per_step() const;
  /// What tells this point's experiment from others, all but the repetition, as one text.
  std::string layout() const;
};

/// The point of one JSON object. FormatError naming `origin` and the key for what is missing, of another type
/// or impossible; keys that are not known are left alone.
ScalingPoint scaling_point_from_json(const Json& json, const std::string& origin);
/// The object that `terramill bench` writes, with "format" and "version" first.
Json to_json(const ScalingPoint& point);

/// What a file of points holds.
struct ScalingPoints {
  std::vector<ScalingPoint> points;
  /// A remark for each file whose last line was torn, as by a job that was killed, and so left out.
  std::vector<std::string> remarks;
};

/// Reads .jsonl files in order. IoError, or FormatError with file, line and key; UsageError when they hold no
/// point at all.
ScalingPoints read_scaling_points(const std::vector<std::filesystem::path>& files);

/// Adds the point as one line to a file that nobody else writes. The file is replaced as a whole, so that a
/// sweep that is stopped keeps what it has measured; a torn last line goes. IoError.
void append_scaling_point(const std::filesystem::path& file, const ScalingPoint& point);

}  // namespace terramill::report
