#include <terramill/core/activity.hpp>
#include <terramill/core/process_silence.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include <pthread.h>

namespace terramill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kDepth = 12, kFacts = 3, kFileLength = 256;

std::int64_t nanoseconds(Clock::time_point time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

struct Fact {
  const char* key = nullptr;
  std::int64_t value = 0;
  const char* text = nullptr;
};

struct Note {
  const char* name = "";
  Clock::time_point begin;
  std::array<Fact, kFacts> facts{};
  std::array<char, kFileLength> file{};  ///< its end, where it is longer

  std::string text() const {
    std::string details(file.data());
    for (const Fact& fact : facts) {
      if (fact.key == nullptr) break;
      details += (details.empty() ? "" : ", ") + std::string(fact.key) + ' ' +
                 (fact.text != nullptr ? fact.text : std::to_string(fact.value));
    }
    return details.empty() ? name : std::string(name) + " (" + details + ")";
  }
};

/// What one thread is doing. The lock is the thread's own but for a watchdog's rare look.
struct ThreadSlot {
  std::mutex mutex;
  std::string name;                // guarded by mutex
  int depth = 0;                   // guarded by mutex; may exceed kDepth
  std::array<Note, kDepth> notes;  // guarded by mutex
  std::atomic<std::int64_t> beat{0};
  std::atomic<int> unwatched{0};
};

}  // namespace

struct Watched::Entry {
  std::string name;
  std::shared_ptr<ThreadSlot> thread;
  std::atomic<std::int64_t> beat{0};

  std::int64_t last() const noexcept {
    return std::max(beat.load(std::memory_order_relaxed), thread->beat.load(std::memory_order_relaxed));
  }
};

/// Never destroyed: a thread that was let go may outlive static objects.
struct WatchedRegistry {
  std::mutex mutex;
  std::vector<std::shared_ptr<ThreadSlot>> threads;
  std::vector<std::shared_ptr<Watched::Entry>> watched;
  std::int64_t ended = 0;  ///< the last beat of threads and work that are no more
};

namespace {

WatchedRegistry& registry() {
  static auto* const all = new WatchedRegistry;
  return *all;
}

/// The calling thread's slot, made at its first use.
class OwnSlot {
 public:
  OwnSlot() : slot_(std::make_shared<ThreadSlot>()) {
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    slot_->name = name.data();
    const std::lock_guard lock(registry().mutex);
    registry().threads.push_back(slot_);
  }
  ~OwnSlot() {
    const std::lock_guard lock(registry().mutex);
    registry().ended = std::max(registry().ended, slot_->beat.load(std::memory_order_relaxed));
    std::erase(registry().threads, slot_);
  }
  OwnSlot(const OwnSlot&) = delete;
  OwnSlot& operator=(const OwnSlot&) = delete;

  const std::shared_ptr<ThreadSlot>& get() const noexcept { return slot_; }

 private:
  std::shared_ptr<ThreadSlot> slot_;
};

const std::shared_ptr<ThreadSlot>& own_slot() {
  thread_local const OwnSlot own;
  return own.get();
}

/// Enters a note about the calling thread; returns its level, or -1 where memory is short.
int enter(const char* name, const std::filesystem::path* file) noexcept {
  try {
    ThreadSlot& own = *own_slot();
    const std::lock_guard lock(own.mutex);
    const int level = own.depth++;
    if (static_cast<std::size_t>(level) >= kDepth) return level;
    Note& note = own.notes[static_cast<std::size_t>(level)];
    note.name = name;
    note.begin = Clock::now();
    note.facts = {};
    note.file[0] = '\0';
    if (file != nullptr) {
      const std::string& path = file->native();
      const std::size_t length = std::min(path.size(), kFileLength - 1);
      std::memcpy(note.file.data(), path.data() + (path.size() - length), length);
      note.file[length] = '\0';
    }
    return level;
  } catch (const std::bad_alloc&) {
    return -1;  // a note is not worth an abort
  }
}

void add_fact(int level, const Fact& fact) noexcept {
  if (level < 0 || static_cast<std::size_t>(level) >= kDepth) return;
  ThreadSlot& own = *own_slot();
  const std::lock_guard lock(own.mutex);
  for (Fact& place : own.notes[static_cast<std::size_t>(level)].facts) {
    if (place.key != nullptr) continue;
    place = fact;
    return;
  }
}

}  // namespace

Activity::Activity(const char* name) noexcept : level_(enter(name, nullptr)) {}
Activity::Activity(const char* name, const std::filesystem::path& file) noexcept
    : level_(enter(name, &file)) {}

void Activity::with(const char* key, std::int64_t value) noexcept { add_fact(level_, {key, value, nullptr}); }
void Activity::with(const char* key, const char* text) noexcept { add_fact(level_, {key, 0, text}); }

void Activity::end() noexcept {
  if (level_ < 0) return;
  ThreadSlot& own = *own_slot();
  const std::lock_guard lock(own.mutex);
  own.depth = std::min(own.depth, std::exchange(level_, -1));
}

std::vector<ThreadActivities> current_activities() {
  std::vector<std::shared_ptr<ThreadSlot>> threads;
  {
    const std::lock_guard lock(registry().mutex);
    threads = registry().threads;
  }
  const Clock::time_point now = Clock::now();
  std::vector<ThreadActivities> all;
  for (const auto& slot : threads) {
    const std::lock_guard lock(slot->mutex);
    ThreadActivities thread{slot->name, {}};
    for (std::size_t i = 0; i < std::min(static_cast<std::size_t>(slot->depth), kDepth); ++i) {
      const Note& note = slot->notes[i];
      thread.activities.push_back({note.text(), std::chrono::duration<double>(now - note.begin).count()});
    }
    all.push_back(std::move(thread));
  }
  return all;
}

void name_activity_thread(const std::string& name) {
  ThreadSlot& own = *own_slot();
  const std::lock_guard lock(own.mutex);
  own.name = name;
}

Watched::Watched(std::string name) : entry_(std::make_shared<Entry>()) {
  entry_->name = std::move(name);
  entry_->thread = own_slot();
  beat();
  const std::lock_guard lock(registry().mutex);
  registry().watched.push_back(entry_);
}

Watched::~Watched() {
  const std::lock_guard lock(registry().mutex);
  registry().ended = std::max(registry().ended, entry_->last());
  std::erase(registry().watched, entry_);
}

void Watched::beat() noexcept { entry_->beat.store(nanoseconds(Clock::now()), std::memory_order_relaxed); }

void beat() noexcept {
  try {
    own_slot()->beat.store(nanoseconds(Clock::now()), std::memory_order_relaxed);
  } catch (const std::bad_alloc&) {
    return;  // whoever is watched has a slot
  }
}

Unwatched::Unwatched() noexcept { own_slot()->unwatched.fetch_add(1, std::memory_order_relaxed); }

Unwatched::~Unwatched() {
  beat();
  own_slot()->unwatched.fetch_sub(1, std::memory_order_release);
}

std::vector<Silence> silences(Clock::time_point now) {
  std::vector<Silence> all;
  const std::lock_guard lock(registry().mutex);
  for (const auto& entry : registry().watched) {
    if (entry->thread->unwatched.load(std::memory_order_acquire) > 0) continue;
    const double seconds = static_cast<double>(nanoseconds(now) - entry->last()) / 1e9;
    const std::lock_guard thread_lock(entry->thread->mutex);
    all.push_back({entry->name, entry->thread->name, std::max(0.0, seconds)});
  }
  return all;
}

double process_silence(Clock::time_point now) {
  const std::lock_guard lock(registry().mutex);
  std::int64_t last = registry().ended;
  for (const auto& slot : registry().threads)
    last = std::max(last, slot->beat.load(std::memory_order_relaxed));
  for (const auto& entry : registry().watched) last = std::max(last, entry->last());
  return std::max(0.0, static_cast<double>(nanoseconds(now) - last) / 1e9);
}

void beat_all() noexcept {
  beat();
  const std::lock_guard lock(registry().mutex);
  for (const auto& entry : registry().watched) {
    entry->beat.store(nanoseconds(Clock::now()), std::memory_order_relaxed);
  }
}

}  // namespace terramill
