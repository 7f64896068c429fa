#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace terramill {

/// Says what the calling thread is doing, until `end` or destruction, to whoever asks when it hangs
/// (fault/watchdog.hpp). Activities nest. Always on; some tens of nanoseconds. Ends in the thread that made
/// it.
class Activity {
 public:
  /// `name` is a string literal, or comes from trace::keep, as do texts below.
  explicit Activity(const char* name) noexcept;
  /// With the file that it is about.
  Activity(const char* name, const std::filesystem::path& file) noexcept;
  ~Activity() { end(); }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  /// A number or a text about it; the first three count.
  void with(const char* key, std::int64_t value) noexcept;
  void with(const char* key, const char* text) noexcept;
  void end() noexcept;

 private:
  int level_;  ///< among the thread's activities; -1: ended, or not noted
};

/// A thread of this process and its activities, outermost first: "all-reduce (bytes 4096, group dp)".
struct ThreadActivities {
  struct Entry {
    std::string text;
    double seconds;  ///< since it began
  };
  std::string thread;
  std::vector<Entry> activities;
};

/// What every thread that ever had an activity, and still lives, is doing.
std::vector<ThreadActivities> current_activities();
/// Names the calling thread there; trace::name_thread does so too.
void name_activity_thread(const std::string& name);

/// A piece of work that must get on while this object lives: at least one beat within the watchdog's limit.
/// A beat is one of the object itself, from any thread, or of the thread that made it.
class Watched {
 public:
  /// `name` appears in the watchdog's report.
  explicit Watched(std::string name);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  void beat() noexcept;

 private:
  struct Entry;
  friend struct WatchedRegistry;
  std::shared_ptr<Entry> entry_;
};

/// The calling thread has got further: a collective completed, bytes were written, a batch was loaded.
void beat() noexcept;

/// While it lives, nobody expects the calling thread to get on: it waits for another of this process that is
/// watched itself.
class Unwatched {
 public:
  Unwatched() noexcept;
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

/// A watched piece of work and how long it has been silent at `now` of the steady clock.
struct Silence {
  std::string name, thread;
  double seconds;
};
std::vector<Silence> silences(std::chrono::steady_clock::time_point now);
/// Forgives all silence until now: the process as a whole had been stopped.
void beat_all() noexcept;

}  // namespace terramill
