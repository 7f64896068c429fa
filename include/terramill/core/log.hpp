#pragma once

#include <string>
#include <utility>

#include <spdlog/spdlog.h>

namespace terramill::log {

/// Starts logging to standard error. Lines below `warn` appear from rank 0 only, unless `all_ranks`; every
/// line carries time and level, and the rank where there is more than one. `level`: trace, debug, info, warn,
/// error, off; UsageError for another word.
void init(const std::string& level = "info", bool all_ranks = false);

template <typename... Args>
void debug(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::debug(format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <typename... Args>
void warn(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}
template <typename... Args>
void error(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::error(format, std::forward<Args>(args)...);
}

}  // namespace terramill::log
