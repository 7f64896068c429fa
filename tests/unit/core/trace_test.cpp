#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <barrier>
#include <map>
#include <thread>
#include <vector>

namespace terramill {
namespace {

using testing::Scratch;
using trace::Event;

const trace::ThreadEvents& thread_named(const trace::Recording& recording, const std::string& name) {
  const auto found = std::find_if(recording.threads.begin(), recording.threads.end(),
                                  [&](const auto& thread) { return thread.name == name; });
  if (found == recording.threads.end()) throw Error("no thread is named " + name);
  return *found;
}

TEST(Trace, RecordsNothingWhileOff) {
  trace::start();
  trace::stop();
  {
    const trace::Span span("work", "test");
    trace::instant("event", "test");
    trace::counter("count", 1);
  }
  EXPECT_FALSE(trace::recording());
  EXPECT_TRUE(trace::collect().threads.empty());
}

TEST(Trace, EachThreadKeepsItsOwnEventsUnderItsName) {
  constexpr int kThreads = 6, kSpans = 3000;
  std::barrier all(kThreads);
  trace::start();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      trace::name_thread("worker " + std::to_string(t));
      all.arrive_and_wait();
      for (int i = 0; i < kSpans; ++i) trace::Span("work", "test").with("thread", t).with("number", i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  trace::stop();
  const trace::Recording recording = trace::collect();
  EXPECT_EQ(recording.dropped, 0U);
  std::map<int, int> ids;
  for (int t = 0; t < kThreads; ++t) {
    const trace::ThreadEvents& own = thread_named(recording, "worker " + std::to_string(t));
    ++ids[own.id];
    ASSERT_EQ(own.events.size(), static_cast<std::size_t>(kSpans));
    for (int i = 0; i < kSpans; ++i) {
      const Event& event = own.events[static_cast<std::size_t>(i)];
      ASSERT_EQ(event.arguments[0].value, t);
      ASSERT_EQ(event.arguments[1].value, i);
      ASSERT_GE(event.duration, 0);
    }
  }
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kThreads));
}

TEST(Trace, InnerSpansLieInsideOuterOnes) {
  trace::name_thread("nesting");
  trace::start();
  {
    const trace::Span outer("outer", "test");
    const trace::Span inner("inner", "test");
  }
  trace::Span open("open", "test");
  trace::stop();
  open.end();  // was open when the recording ended: left out
  const std::vector<Event> events = thread_named(trace::collect(), "nesting").events;
  ASSERT_EQ(events.size(), 2U);
  EXPECT_STREQ(events[0].name, "inner");
  EXPECT_STREQ(events[1].name, "outer");
  EXPECT_LE(events[1].begin, events[0].begin);
  EXPECT_LE(events[0].begin + events[0].duration, events[1].begin + events[1].duration);
}

TEST(Trace, ANewRecordingForgetsTheOldOne) {
  trace::name_thread("again");
  trace::start();
  trace::instant("old", "test");
  trace::start();
  trace::instant("new", "test");
  trace::stop();
  const std::vector<Event> events = thread_named(trace::collect(), "again").events;
  ASSERT_EQ(events.size(), 1U);
  EXPECT_STREQ(events[0].name, "new");
}

TEST(Trace, MemoryIsBoundedAndWhatIsDroppedIsCounted) {
  trace::name_thread("busy");
  trace::start();
  for (std::size_t i = 0; i < trace::kMostEvents + 10; ++i) trace::instant("event", "test");
  trace::stop();
  const trace::Recording recording = trace::collect();
  EXPECT_EQ(thread_named(recording, "busy").events.size(), trace::kMostEvents);
  EXPECT_EQ(recording.dropped, 10U);
}

TEST(Trace, EqualTextsAreKeptOnce) {
  const char* kept = trace::keep("a name");
  EXPECT_STREQ(kept, "a name");
  EXPECT_EQ(kept, trace::keep(std::string("a ") + "name"));
}

/// One rank's recording of a span of 2 µs at 5 µs and more, written.
std::filesystem::path written(const std::filesystem::path& folder, int rank, std::int64_t offset) {
  trace::Recording recording;
  recording.begin = 1000;
  recording.threads.push_back({0, "main \"quoted\"", {}});
  Event span{Event::Kind::kSpan, "step", "step", 5000, 2000, {}};
  span.arguments = {trace::Argument{"bytes", 42, nullptr}, trace::Argument{"group", 0, "dp"}, {}};
  recording.threads[0].events.push_back(span);
  recording.threads[0].events.push_back({Event::Kind::kInstant, "launch", "step", 6000, 0, {}});
  recording.threads[0].events.push_back(
      {Event::Kind::kCounter, "ready", "", 6500, 0, {trace::Argument{"value", 3, nullptr}}});
  const std::filesystem::path file = folder / ("rank-" + std::to_string(rank) + ".json");
  trace::write(file, recording, {rank, "node\\1", offset, 300, 1000});
  return file;
}

TEST(Trace, FilesAreChromesEventsOnTheClockOfRankZero) {
  const Scratch scratch;
  const Json events = read_json(written(scratch.path(), 3, 500));
  std::map<std::string, Json> by_phase;
  for (const Json& event : events) {
    EXPECT_EQ(event["pid"], 3);
    by_phase[event["ph"].get<std::string>()] = event;
    if (event["name"] == "thread_name") {
      EXPECT_EQ(event["args"]["name"], "main \"quoted\"");
    }
    if (event["name"] == "process_name") {
      EXPECT_EQ(event["args"]["name"], "rank 3 on node\\1");
    }
  }
  EXPECT_EQ(by_phase["X"]["ts"], 4.5);  // (5000 + 500 - 1000) ns
  EXPECT_EQ(by_phase["X"]["dur"], 2);
  EXPECT_EQ(by_phase["X"]["args"]["bytes"], 42);
  EXPECT_EQ(by_phase["X"]["args"]["group"], "dp");
  EXPECT_EQ(by_phase["i"]["name"], "launch");
  EXPECT_EQ(by_phase["C"]["args"]["value"], 3);
}

TEST(Trace, MergedFilesHoldTheEventsOfAll) {
  const Scratch scratch;
  const std::vector<std::filesystem::path> files{written(scratch.path(), 0, 0),
                                                 written(scratch.path(), 1, 20)};
  const std::filesystem::path merged = scratch.path() / "trace.json";
  trace::merge(files, merged);
  Json all = Json::array();
  for (const auto& file : files) {
    for (const Json& event : read_json(file)) all.push_back(event);
  }
  EXPECT_EQ(read_json(merged), all);
  write_file_durably(files[1], "{}\n");
  EXPECT_THROW(trace::merge(files, merged), FormatError);
}

TEST(Phase, NestedTimersCountOnceAndHiddenIsWhatNobodyWaitedFor) {
  const PhaseSeconds before = phase_seconds();
  {
    const PhaseTimer busy(Phase::kCommunication);
    const PhaseTimer again(Phase::kCommunication);
    const PhaseTimer exposed(Phase::kExposed);
  }
  const PhaseSeconds mid = phase_seconds();
  {
    const PhaseTimer exposed(Phase::kExposed);
    const PhaseTimer busy(Phase::kCommunication);
  }
  const PhaseSeconds first = mid - before, second = phase_seconds() - mid;
  // Communication lasts as long as what is hidden of it and what is waited for.
  EXPECT_GT(first[Phase::kExposed], 0);
  EXPECT_NEAR(first[Phase::kCommunication], first.hidden + first[Phase::kExposed], 1e-12);
  EXPECT_GT(second[Phase::kCommunication], 0);
  EXPECT_NEAR(second.hidden, 0, 1e-12);
  EXPECT_EQ(first[Phase::kCheckpoint], 0);
}

TEST(Phase, ARunningTimerCountsUpToNow) {
  const PhaseSeconds before = phase_seconds();
  const PhaseTimer waits(Phase::kDataWait);
  const PhaseSeconds early = phase_seconds() - before, late = phase_seconds() - before;
  EXPECT_GT(early[Phase::kDataWait], 0);
  EXPECT_GT(late[Phase::kDataWait], early[Phase::kDataWait]);
}

}  // namespace
}  // namespace terramill
