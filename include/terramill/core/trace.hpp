#pragma once

#include <terramill/core/activity.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// A process-wide recorder of what each thread does when, off by default. While it is off a span notes what
/// the thread is doing (core/activity.hpp) and nothing else. While it is on, a thread writes events into a
/// buffer of its own, without a lock.
///
/// Names, categories and keys are string literals, or come from `keep`: only the pointer is stored.
namespace terramill::trace {

/// Begins a recording; what an earlier one left is forgotten. Not while `collect` runs.
void start();
/// Ends it. Spans that are open now are left out.
void stop() noexcept;
bool recording() noexcept;

/// Names the calling thread in recordings, also in later ones, and where activities are told.
void name_thread(const std::string& name);

/// A copy of `text` that lives as long as the process; equal texts share one. For few, long-lived names.
const char* keep(const std::string& text);

/// A number or a text about an event. Without a key there is none.
struct Argument {
  const char* key = nullptr;
  std::int64_t value = 0;
  const char* text = nullptr;  ///< in place of the value, where not null
};
inline constexpr std::size_t kMostArguments = 3;

/// What a thread was doing from `begin` for `duration`, both in nanoseconds of the steady clock.
struct Event {
  enum class Kind : std::uint8_t { kSpan, kInstant, kCounter };
  Kind kind = Kind::kSpan;
  const char* name = "";
  const char* category = "";
  std::int64_t begin = 0, duration = 0;
  std::array<Argument, kMostArguments> arguments{};
};

/// Records the time from its construction to `end`, or to its destruction, in the thread that made it.
class Span {
 public:
  Span(const char* name, const char* category) noexcept;
  ~Span() { end(); }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  /// What the event tells besides; the first kMostArguments count.
  Span& with(const char* key, std::int64_t value) noexcept;
  Span& with(const char* key, const char* text) noexcept;
  void end() noexcept;

 private:
  void add(const Argument& argument) noexcept;
  Activity activity_;
  std::uint32_t recording_;  ///< the recording that it belongs to; 0: none
  Event event_;
};

/// Something that takes no time.
void instant(const char* name, const char* category, Argument first = {}, Argument second = {}) noexcept;
/// The value that a quantity has from now on.
void counter(const char* name, std::int64_t value) noexcept;

/// The events of one thread, in the order in which they ended.
struct ThreadEvents {
  int id = 0;  ///< in order of the threads' first event or name
  std::string name;
  std::vector<Event> events;
};

struct Recording {
  std::int64_t begin = 0;  ///< steady clock, nanoseconds
  std::vector<ThreadEvents> threads;
  std::uint64_t dropped = 0;  ///< events beyond kMostEvents of a thread
};
/// Events that are kept of each thread in one recording: at most about 8 MiB.
inline constexpr std::size_t kMostEvents = std::size_t{1} << 16;

/// What was recorded from the last `start` to the last `stop`.
Recording collect();

/// The clock of `start` and of events now, in nanoseconds.
std::int64_t now() noexcept;

/// Whose recording it is and how its clock stands to that of the job's rank 0.
struct Source {
  int rank = 0;
  std::string host;
  std::int64_t offset = 0;      ///< nanoseconds to add to this rank's clock to have rank 0's
  std::int64_t round_trip = 0;  ///< of the messages that measured it; the error is at most half of it
  std::int64_t origin = 0;      ///< the time, of rank 0's clock, that is 0 in the file
};

/// Writes a recording as Chrome's trace events, an array of one JSON object per line, which Perfetto and
/// chrome://tracing read: pid is the rank, tid the thread, times in microseconds on rank 0's clock since
/// `origin`. Durable, under a temporary name until whole. IoError.
void write(const std::filesystem::path& file, const Recording& recording, const Source& source);

/// Joins files of `write` into one. IoError, or FormatError naming a file that is none of them.
void merge(const std::vector<std::filesystem::path>& files, const std::filesystem::path& merged);

}  // namespace terramill::trace
