#pragma once

#include <terramill/core/activity.hpp>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace terramill {

/// Progress of a counted piece of work on standard error: a bar on a terminal, otherwise a plain line at most
/// every ten seconds. Only rank 0 prints. Watched (core/activity.hpp), each count a beat. Thread-safe.
class Progress {
 public:
  /// `total` items named `unit` ("tiles"); `title` precedes them ("corpus build").
  Progress(std::string title, std::uint64_t total, std::string unit);
  /// Ends the line; where the work is not complete, says how far it came.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(std::uint64_t items = 1);
  /// Sets the absolute count, for work whose progress is learnt elsewhere.
  void set(std::uint64_t items);
  /// A short note shown behind the numbers, e.g. "loss 2.31".
  void note(std::string text);

 private:
  void draw(bool final);

  Watched watched_;
  std::mutex mutex_;
  std::string title_, unit_, note_;
  std::uint64_t total_, done_ = 0;
  bool terminal_, silent_;
  std::chrono::steady_clock::time_point start_, last_draw_;
};

}  // namespace terramill
