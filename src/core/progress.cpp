#include <terramill/core/error.hpp>
#include <terramill/core/progress.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include <unistd.h>

namespace terramill {
namespace {

constexpr int kBarWidth = 24;
constexpr std::chrono::milliseconds kRedrawInterval{100};
constexpr std::chrono::seconds kLineInterval{10};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
  return text;
}

std::string duration(double seconds) {
  const auto whole = static_cast<long long>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
  } else if (whole >= 60) {
    std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld s", whole);
  }
  return text;
}

}  // namespace

Progress::Progress(std::string title, std::uint64_t total, std::string unit)
    : watched_(title),
      title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      silent_(process_rank() != 0),
      start_(std::chrono::steady_clock::now()),
      last_draw_(start_) {}

Progress::~Progress() {
  const std::lock_guard lock(mutex_);
  try {
    draw(true);
  } catch (const std::bad_alloc&) {
    silent_ = true;  // a destructor must not throw, and progress is not worth an abort
  }
}

void Progress::add(std::uint64_t items) {
  watched_.beat();
  const std::lock_guard lock(mutex_);
  done_ += items;
  draw(false);
}

void Progress::set(std::uint64_t items) {
  watched_.beat();
  const std::lock_guard lock(mutex_);
  done_ = items;
  draw(false);
}

void Progress::note(std::string text) {
  const std::lock_guard lock(mutex_);
  note_ = std::move(text);
}

void Progress::draw(bool final) {
  if (silent_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!final &&
      now - last_draw_ < (terminal_ ? std::chrono::duration_cast<std::chrono::nanoseconds>(kRedrawInterval)
                                    : std::chrono::duration_cast<std::chrono::nanoseconds>(kLineInterval))) {
    return;
  }
  last_draw_ = now;

  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done_) / elapsed : 0;
  const double share =
      total_ > 0 ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;

  std::string line = title_ + ": ";
  if (terminal_ && total_ > 0) {
    const auto filled = static_cast<std::size_t>(share * kBarWidth);
    line += "[" + std::string(filled, '=') + std::string(kBarWidth - filled, ' ') + "] ";
  }
  line += std::to_string(done_);
  if (total_ > 0) line += "/" + std::to_string(total_);
  line += " " + unit_;
  if (total_ > 0) line += " (" + std::to_string(static_cast<int>(share * 100)) + "%)";
  line += ", " + number(rate) + " " + unit_ + "/s";
  if (final) {
    line += (total_ > 0 && done_ < total_ ? ", incomplete after " : ", took ") + duration(elapsed);
  } else if (total_ > done_ && rate > 0) {
    line += ", " + duration(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (!note_.empty()) line += ", " + note_;

  if (terminal_) line.insert(0, "\r\x1b[K");
  if (!terminal_ || final) line += "\n";
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace terramill
