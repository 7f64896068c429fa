#include <terramill/core/trace.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <set>

namespace terramill::trace {
namespace {

/// Odd while a recording goes on; each start and each stop adds one.
std::atomic<std::uint32_t> recording_number{0};
std::atomic<std::int64_t> recording_begin{0};

constexpr std::size_t kChunk = 1024;
using Chunk = std::array<Event, kChunk>;

/// One thread's events: written by that thread alone, read by any. Chunks stay where they are, so whoever
/// sees the count sees the events.
class Buffer {
 public:
  explicit Buffer(int id) : id_(id) {}

  void append(std::uint32_t recording, const Event& event) noexcept {
    if (recording_.load(std::memory_order_relaxed) != recording) {
      count_.store(0, std::memory_order_relaxed);
      dropped_.store(0, std::memory_order_relaxed);
      recording_.store(recording, std::memory_order_release);
    }
    const std::size_t count = count_.load(std::memory_order_relaxed);
    if (count < kMostEvents) {
      std::unique_ptr<Chunk>& chunk = chunks_[count / kChunk];
      if (!chunk) chunk.reset(new (std::nothrow) Chunk);
      if (chunk) {
        (*chunk)[count % kChunk] = event;
        count_.store(count + 1, std::memory_order_release);
        return;
      }
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }

  void collect(std::uint32_t recording, Recording& into) const {
    if (recording_.load(std::memory_order_acquire) != recording) return;
    ThreadEvents thread{id_, name.empty() ? "thread " + std::to_string(id_) : name, {}};
    const std::size_t count = count_.load(std::memory_order_acquire);
    thread.events.reserve(count);
    for (std::size_t i = 0; i < count; ++i) thread.events.push_back((*chunks_[i / kChunk])[i % kChunk]);
    into.threads.push_back(std::move(thread));
    into.dropped += dropped_.load(std::memory_order_relaxed);
  }

  bool alive = true;  ///< guarded by the registry
  std::string name;   ///< guarded by the registry

 private:
  const int id_;
  std::atomic<std::uint32_t> recording_{0};  // that the events belong to
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::array<std::unique_ptr<Chunk>, kMostEvents / kChunk> chunks_;
};

struct Registry {
  std::mutex mutex;
  std::vector<std::shared_ptr<Buffer>> buffers;
  std::set<std::string> kept;
  int next_id = 0;
};

/// Never destroyed: a thread that was let go may outlive static objects.
Registry& registry() {
  static auto* const all = new Registry;
  return *all;
}

/// The calling thread's buffer, made at its first use.
class Own {
 public:
  Own() {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    buffer_ = std::make_shared<Buffer>(all.next_id++);
    all.buffers.push_back(buffer_);
  }
  ~Own() {
    const std::lock_guard lock(registry().mutex);
    buffer_->alive = false;
  }
  Own(const Own&) = delete;
  Own& operator=(const Own&) = delete;

  Buffer& buffer() noexcept { return *buffer_; }

 private:
  std::shared_ptr<Buffer> buffer_;
};

Buffer& own_buffer() {
  thread_local Own own;
  return own.buffer();
}

/// Records `event` where `recording` still goes on.
void append(std::uint32_t recording, const Event& event) noexcept {
  if (recording_number.load(std::memory_order_relaxed) != recording) return;
  try {
    own_buffer().append(recording, event);
  } catch (const std::bad_alloc&) {
    return;  // a trace is not worth an abort
  }
}

/// The recording that goes on, or 0.
std::uint32_t current() noexcept {
  const std::uint32_t number = recording_number.load(std::memory_order_relaxed);
  return number % 2 == 1 ? number : 0;
}

}  // namespace

std::int64_t now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void start() {
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    std::erase_if(all.buffers, [](const auto& buffer) { return !buffer->alive; });
  }
  recording_begin.store(now(), std::memory_order_relaxed);
  const std::uint32_t number = recording_number.load(std::memory_order_relaxed);
  recording_number.store(number + (number % 2 == 1 ? 2 : 1), std::memory_order_release);
}

void stop() noexcept {
  const std::uint32_t number = recording_number.load(std::memory_order_relaxed);
  if (number % 2 == 1) recording_number.store(number + 1, std::memory_order_release);
}

bool recording() noexcept { return current() != 0; }

void name_thread(const std::string& name) {
  Buffer& own = own_buffer();
  const std::lock_guard lock(registry().mutex);
  own.name = name;
  name_activity_thread(name);
}

const char* keep(const std::string& text) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  return all.kept.insert(text).first->c_str();
}

Span::Span(const char* name, const char* category) noexcept : activity_(name), recording_(current()) {
  if (recording_ == 0) return;
  event_.name = name;
  event_.category = category;
  event_.begin = now();
}

void Span::add(const Argument& argument) noexcept {
  if (recording_ == 0) return;
  for (Argument& place : event_.arguments) {
    if (place.key != nullptr) continue;
    place = argument;
    return;
  }
}

Span& Span::with(const char* key, std::int64_t value) noexcept {
  activity_.with(key, value);
  add({key, value, nullptr});
  return *this;
}

Span& Span::with(const char* key, const char* text) noexcept {
  activity_.with(key, text);
  add({key, 0, text});
  return *this;
}

void Span::end() noexcept {
  activity_.end();
  if (recording_ == 0) return;
  event_.duration = now() - event_.begin;
  append(recording_, event_);
  recording_ = 0;
}

void instant(const char* name, const char* category, Argument first, Argument second) noexcept {
  const std::uint32_t number = current();
  if (number == 0) return;
  append(number, {Event::Kind::kInstant, name, category, now(), 0, {first, second}});
}

void counter(const char* name, std::int64_t value) noexcept {
  const std::uint32_t number = current();
  if (number == 0) return;
  append(number, {Event::Kind::kCounter, name, "", now(), 0, {Argument{"value", value, nullptr}}});
}

Recording collect() {
  Recording recording;
  const std::uint32_t number = recording_number.load(std::memory_order_relaxed);
  if (number == 0) return recording;
  recording.begin = recording_begin.load(std::memory_order_relaxed);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  for (const auto& buffer : all.buffers) buffer->collect(number % 2 == 1 ? number : number - 1, recording);
  return recording;
}

}  // namespace terramill::trace
