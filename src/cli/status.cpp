#include "checkpoint_text.hpp"
#include "commands.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::cli {

namespace {

/// The last `count` training lines of metrics.jsonl, oldest first; a torn last line is left out.
std::vector<Json> last_steps(const std::filesystem::path& path, std::size_t count) {
  std::vector<Json> lines;
  if (!std::filesystem::exists(path)) return lines;
  const std::string text = read_text(path);
  std::size_t end = text.rfind('\n');
  while (end != std::string::npos && lines.size() < count) {
    const std::size_t before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    Json line = parse_json(text.substr(begin, end - begin), path.string());
    if (json_get<std::string>(line, "kind", path.string()) == "train") lines.push_back(std::move(line));
    end = before;
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

/// The last finding about a slow rank in metrics.jsonl, or null.
Json last_straggler(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nullptr;
  const std::string text = read_text(path);
  const std::size_t key = text.rfind("{\"kind\": \"straggler\"");
  const std::size_t end = key == std::string::npos ? key : text.find('\n', key);
  return end == std::string::npos ? Json(nullptr) : parse_json(text.substr(key, end - key), path.string());
}

std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::llround(seconds));
  char text[64];
  if (whole >= 86400) {
    std::snprintf(text, sizeof text, "%ld d %ld h", whole / 86400, whole % 86400 / 3600);
  } else if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%ld h %ld min", whole / 3600, whole % 3600 / 60);
  } else {
    std::snprintf(text, sizeof text, "%ld min %ld s", whole / 60, whole % 60);
  }
  return text;
}

}  // namespace

int status(const Context& context, const std::vector<std::string>& arguments) {
  std::string run_name;
  OptionTable table("terramill status RUN", "Tells how far a run is, the time left and its last checkpoint.");
  table.positional("run", &run_name, "run folder of pretrain");
  if (!context.faults.read(table, arguments, context.out, "status")) return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);

  const std::filesystem::path run = run_name;
  if (!std::filesystem::exists(run / "run.json")) {
    throw UsageError("this is no run folder: it has no run.json", {"tell a run's status", run_name, ""});
  }
  const std::string origin = (run / "run.json").string();
  const Json about = read_json(run / "run.json");
  const auto total = json_get<std::int64_t>(about, "steps", origin);
  const std::vector<Json> recent = last_steps(run / "metrics.jsonl", 100);
  const std::string checkpoint = newest_of(checkpoint::list(run)).filename().string();

  Json result{{"run", run_name}, {"steps", total}};
  std::int64_t step = 0;
  double seconds_left = std::nan("");
  if (!recent.empty()) {
    const std::string lines = (run / "metrics.jsonl").string();
    const auto number = [&](const Json& line, const char* key) { return json_get<double>(line, key, lines); };
    step = json_get<std::int64_t>(recent.back(), "step", lines);
    double seconds = 0, rate = 0;
    for (const Json& line : recent) {
      seconds += number(line, "step_seconds");
      rate += number(line, "images_per_second");
    }
    seconds_left = seconds / static_cast<double>(recent.size()) * static_cast<double>(total - step);
    result["loss"] = number(recent.back(), "loss");
    result["images_per_second"] = rate / static_cast<double>(recent.size());
  }
  result["step"] = step;
  result["finished"] = step >= total;
  result["seconds_left"] = std::isfinite(seconds_left) ? Json(seconds_left) : Json(nullptr);
  result["checkpoint"] = checkpoint.empty() ? Json(nullptr) : Json(checkpoint);
  const Json straggler = last_straggler(run / "metrics.jsonl");
  result["straggler"] = straggler;
  if (table.json()) {
    context.out << dump_json(result) << '\n';
    return static_cast<int>(ExitCode::kDone);
  }
  context.out << "step         " << step << " of " << total << (step >= total ? " (finished)" : "") << '\n';
  if (!recent.empty()) {
    context.out << "loss         " << result["loss"].get<double>() << '\n'
                << "speed        " << result["images_per_second"].get<double>() << " images/s\n";
    if (step < total) context.out << "time left    " << duration(seconds_left) << '\n';
  }
  context.out << "checkpoint   " << (checkpoint.empty() ? "none" : checkpoint) << '\n';
  if (!straggler.is_null()) {
    context.out << "slow rank    " << json_get<std::string>(straggler, "text", "metrics.jsonl") << '\n';
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
