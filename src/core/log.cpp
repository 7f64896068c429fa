#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>

#include <string>
#include <vector>

#include <spdlog/sinks/stdout_color_sinks.h>

namespace terramill::log {
namespace {

const std::vector<std::string>& level_names() {
  static const std::vector<std::string> names = {"trace", "debug", "info", "warn", "error", "off"};
  return names;
}

spdlog::level::level_enum level_of(const std::string& name) {
  if (name == "trace") return spdlog::level::trace;
  if (name == "debug") return spdlog::level::debug;
  if (name == "info") return spdlog::level::info;
  if (name == "warn") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  if (name == "off") return spdlog::level::off;
  std::string expected;
  for (const auto& known : level_names()) expected += (expected.empty() ? "" : ", ") + known;
  const auto meant = nearest(name, level_names());
  throw UsageError(
      "\"" + name + "\" is no log level",
      {"start logging", "", (meant ? "did you mean " + *meant + "? " : "") + "one of " + expected});
}

}  // namespace

void init(const std::string& level, bool all_ranks) {
  auto threshold = level_of(level);
  if (process_rank() != 0 && !all_ranks) threshold = std::max(threshold, spdlog::level::warn);
  auto logger =
      std::make_shared<spdlog::logger>("terramill", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  const std::string rank = process_count() > 1 ? "[rank " + std::to_string(process_rank()) + "] " : "";
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ " + rank + "%v");
  logger->set_level(threshold);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace terramill::log
