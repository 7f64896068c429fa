#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/report/scaling_point.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

namespace terramill::report {

namespace {

constexpr const char* kFormat = "terramill-bench";
constexpr int kVersion = 1;

[[noreturn]] void refuse(const std::string& message, const std::string& origin) {
  throw FormatError(message, {"read a point of a scaling experiment", origin,
                              "the lines are those that terramill bench writes"});
}

/// Reads the keys of one object, each with its bounds.
class Reader {
 public:
  Reader(const Json& json, const std::string& origin) : json_(json), origin_(origin) {}

  template <typename T>
  void read(const char* key, T& value) const {
    value = json_get<T>(json_, key, origin_);
  }
  void at_least(const char* key, std::int64_t least, std::int64_t& value) const {
    const Json number = json_get<Json>(json_, key, origin_);
    if (!number.is_number_integer())
      refuse(std::string("the key \"") + key + "\" must be a whole number", origin_);
    value = number.get<std::int64_t>();
    if (value < least)
      refuse(std::string("the key \"") + key + "\" must be " + std::to_string(least) + " or more", origin_);
  }
  void not_negative(const char* key, double& value) const {
    read(key, value);
    if (!(value >= 0) || !std::isfinite(value))
      refuse(std::string("the key \"") + key + "\" must be a finite number, 0 or more", origin_);
  }
  void maybe(const char* key, std::optional<double>& value) const {
    if (json_get<Json>(json_, key, origin_).is_null()) return;
    value.emplace();
    not_negative(key, *value);
  }

 private:
  const Json& json_;
  const std::string& origin_;
};

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

void check(const ScalingPoint& point, const std::string& origin) {
  if (point.scaling != "strong" && point.scaling != "weak")
    refuse("the key \"scaling\" must be \"strong\" or \"weak\", not \"" + point.scaling + "\"", origin);
  if (point.dp * point.tp != point.ranks)
    refuse("the keys \"dp\" and \"tp\" do not multiply to \"ranks\"", origin);
  if (point.micro_batch_size * point.micro_batches != point.global_batch)
    refuse("the keys \"micro_batch_size\" and \"micro_batches\" do not multiply to \"global_batch\"", origin);
  if (point.step_seconds.empty()) refuse("the key \"step_seconds\" holds no step", origin);
  for (const double seconds : point.step_seconds) {
    if (!(seconds > 0) || !std::isfinite(seconds))
      refuse("the key \"step_seconds\" holds a number that is not positive", origin);
  }
  if (point.images_per_second == 0) refuse("the key \"images_per_second\" must be positive", origin);
}

}  // namespace

double ScalingPoint::seconds_per_step() const {
  return std::accumulate(step_seconds.begin(), step_seconds.end(), 0.0) /
         static_cast<double>(step_seconds.size());
}

std::string ScalingPoint::layout() const {
  std::string text = model + " " + config + ", " + scaling + ", " + device + ", " + std::to_string(nodes) +
                     (nodes == 1 ? " node" : " nodes") + ", dp " + std::to_string(dp) + " x tp " +
                     std::to_string(tp) + (zero ? ", ZeRO-1" : "") + ", " + std::to_string(micro_batches) +
                     " x " + std::to_string(micro_batch_size) + ", " + precision + ", " + reduction + ", " +
                     codec;
  return checkpointing ? text + ", activations recomputed" : text;
}

ScalingPoint scaling_point_from_json(const Json& json, const std::string& origin) {
  const Reader reader(json, origin);
  std::string format;
  std::int64_t version = 0;
  reader.read("format", format);
  if (format != kFormat) refuse("the key \"format\" is \"" + format + "\", not \"" + kFormat + "\"", origin);
  reader.at_least("version", 1, version);
  if (version > kVersion)
    refuse("the key \"version\" is " + std::to_string(version) + "; this program knows " +
               std::to_string(kVersion),
           origin);

  ScalingPoint point;
  reader.read("device", point.device);
  reader.read("processor", point.processor);
  reader.at_least("nodes", 1, point.nodes);
  reader.at_least("ranks", 1, point.ranks);
  reader.at_least("dp", 1, point.dp);
  reader.at_least("tp", 1, point.tp);
  reader.read("zero", point.zero);
  reader.read("model", point.model);
  reader.read("config", point.config);
  reader.at_least("parameters", 1, point.parameters);
  reader.read("scaling", point.scaling);
  reader.at_least("micro_batch_size", 1, point.micro_batch_size);
  reader.at_least("micro_batches", 1, point.micro_batches);
  reader.at_least("global_batch", 1, point.global_batch);
  reader.read("codec", point.codec);
  reader.read("precision", point.precision);
  reader.read("reduction", point.reduction);
  reader.read("checkpointing", point.checkpointing);
  reader.at_least("repetition", 0, point.repetition);
  reader.at_least("warmup_steps", 0, point.warmup_steps);
  reader.at_least("steps", 1, point.steps);
  reader.read("step_seconds", point.step_seconds);
  reader.not_negative("images_per_second", point.images_per_second);
  reader.not_negative("flops_per_image", point.flops_per_image);
  reader.not_negative("gradient_bytes", point.gradient_bytes);
  reader.not_negative("tp_bytes", point.tp_bytes);
  reader.at_least("tp_calls", 0, point.tp_calls);
  const Json phases = json_get<Json>(json, "phases", origin);
  const std::string inside = origin + ", \"phases\"";
  const Reader phase(phases, inside);
  phase.not_negative("compute", point.phases.compute);
  phase.not_negative("communication_exposed", point.phases.communication_exposed);
  phase.not_negative("communication_hidden", point.phases.communication_hidden);
  phase.not_negative("data_wait", point.phases.data_wait);
  phase.not_negative("checkpoint", point.phases.checkpoint);
  reader.maybe("mfu", point.mfu);
  reader.maybe("peak_flops", point.peak_flops);
  check(point, origin);
  return point;
}

Json to_json(const ScalingPoint& point) {
  return {{"format", kFormat},
          {"version", kVersion},
          {"device", point.device},
          {"processor", point.processor},
          {"nodes", point.nodes},
          {"ranks", point.ranks},
          {"dp", point.dp},
          {"tp", point.tp},
          {"zero", point.zero},
          {"model", point.model},
          {"config", point.config},
          {"parameters", point.parameters},
          {"scaling", point.scaling},
          {"micro_batch_size", point.micro_batch_size},
          {"micro_batches", point.micro_batches},
          {"global_batch", point.global_batch},
          {"codec", point.codec},
          {"precision", point.precision},
          {"reduction", point.reduction},
          {"checkpointing", point.checkpointing},
          {"repetition", point.repetition},
          {"warmup_steps", point.warmup_steps},
          {"steps", point.steps},
          {"step_seconds", point.step_seconds},
          {"images_per_second", point.images_per_second},
          {"flops_per_image", point.flops_per_image},
          {"gradient_bytes", point.gradient_bytes},
          {"tp_bytes", point.tp_bytes},
          {"tp_calls", point.tp_calls},
          {"phases",
           {{"compute", point.phases.compute},
            {"communication_exposed", point.phases.communication_exposed},
            {"communication_hidden", point.phases.communication_hidden},
            {"data_wait", point.phases.data_wait},
            {"checkpoint", point.phases.checkpoint}}},
          {"mfu", or_null(point.mfu)},
          {"peak_flops", or_null(point.peak_flops)}};
}

ScalingPoints read_scaling_points(const std::vector<std::filesystem::path>& files) {
  ScalingPoints read;
  std::string names;
  for (const std::filesystem::path& file : files) {
    names += (names.empty() ? "" : ", ") + file.string();
    const std::string text = read_text(file);
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = std::string_view(text).substr(begin, end - begin);
      const std::string origin = file.string() + ", line " + std::to_string(++number);
      const bool whole = end < text.size() || Json::accept(line);
      begin = end + 1;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (whole) {
        read.points.push_back(scaling_point_from_json(parse_json(line, origin), origin));
      } else {
        read.remarks.push_back(origin + " is torn and was left out: the job that wrote it did not end");
      }
    }
  }
  if (read.points.empty())
    throw UsageError("there is no measured point",
                     {"read a scaling experiment", names, "measure some with terramill bench"});
  return read;
}

void append_scaling_point(const std::filesystem::path& file, const ScalingPoint& point) {
  std::string text = std::filesystem::exists(file) ? read_text(file) : "";
  const std::size_t last = text.rfind('\n') + 1;  // npos + 1 is 0
  if (last < text.size()) {
    if (Json::accept(std::string_view(text).substr(last))) {
      text += '\n';
    } else {
      text.resize(last);
    }
  }
  write_file_durably(file, text + dump_json(to_json(point)) + "\n");
}

}  // namespace terramill::report
