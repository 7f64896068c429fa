#include <terramill/core/activity.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <chrono>
#include <latch>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace terramill {
namespace {

/// What the thread of that name is doing, outermost first, joined by " > ".
std::string doing(const std::string& thread) {
  for (const ThreadActivities& one : current_activities()) {
    if (one.thread != thread) continue;
    std::string text;
    for (const auto& entry : one.activities) text += (text.empty() ? "" : " > ") + entry.text;
    return text;
  }
  return "no such thread";
}

double silence(const std::string& name, std::chrono::steady_clock::time_point now) {
  for (const Silence& one : silences(now)) {
    if (one.name == name) return one.seconds;
  }
  return -1;
}

TEST(Activity, NestsAndTellsNumbersTextsAndFiles) {
  name_activity_thread("nesting");
  Activity outer("step");
  outer.with("step", 12);
  {
    Activity inner("all-reduce");
    inner.with("bytes", 4096);
    inner.with("group", "dp");
    EXPECT_EQ(doing("nesting"), "step (step 12) > all-reduce (bytes 4096, group dp)");
  }
  const Activity file("write", "/run/checkpoints/rank-00000.safetensors");
  EXPECT_EQ(doing("nesting"), "step (step 12) > write (/run/checkpoints/rank-00000.safetensors)");
  outer.end();
  EXPECT_EQ(doing("nesting"), "") << "what an ended activity held is over";
}

TEST(Activity, SpansAreActivitiesWithoutARecording) {
  name_activity_thread("spans");
  const trace::Span span("micro-batch", "compute");
  EXPECT_EQ(doing("spans"), "micro-batch");
}

TEST(Activity, DeepNestingLosesTheInnermostAlone) {
  name_activity_thread("deep");
  const auto nest = [](const auto& self, int left) -> void {
    const Activity activity("level");
    if (left > 0) return self(self, left - 1);
    const std::string text = doing("deep");
    EXPECT_EQ(std::count(text.begin(), text.end(), '>'), 11);
  };
  nest(nest, 40);
  EXPECT_EQ(doing("deep"), "");
}

TEST(Activity, OtherThreadsAreSeenWhileTheyLive) {
  std::latch begun(1), seen(1);
  std::thread other([&] {
    name_activity_thread("other");
    const Activity activity("decode");
    begun.count_down();
    seen.wait();
  });
  begun.wait();
  EXPECT_EQ(doing("other"), "decode");
  seen.count_down();
  other.join();
  EXPECT_EQ(doing("other"), "no such thread");
}

TEST(Watched, IsSilentUntilItOrItsThreadBeats) {
  using std::chrono::seconds;
  const auto later = std::chrono::steady_clock::now() + seconds(100);
  Watched work("work");
  EXPECT_NEAR(silence("work", later), 100, 5);
  beat();
  work.beat();
  EXPECT_NEAR(silence("work", later), 100, 5);
  {
    const Unwatched waits;
    EXPECT_EQ(silence("work", later), -1);
  }
  fault_points::begin_unit(1);
  EXPECT_GE(silence("work", later), 0);
  EXPECT_EQ(silence("another", later), -1);
}

TEST(FaultPoints, HooksHearOfUnitsAndFilesOnlyWhileSet) {
  static std::int64_t heard;
  heard = 0;
  fault_points::set_hooks(
      [](fault_points::FileEvent, const std::filesystem::path& file) { return file == "bad" ? 28 : 0; },
      [](std::int64_t unit) { heard = unit; });
  fault_points::begin_unit(7);
  EXPECT_EQ(heard, 7);
  EXPECT_EQ(fault_points::file_event(fault_points::FileEvent::kWrite, "bad"), 28);
  EXPECT_EQ(fault_points::file_event(fault_points::FileEvent::kWrite, "good"), 0);
  fault_points::set_hooks(nullptr, nullptr);
  fault_points::begin_unit(8);
  EXPECT_EQ(heard, 7);
  EXPECT_EQ(fault_points::file_event(fault_points::FileEvent::kWrite, "bad"), 0);
}

}  // namespace
}  // namespace terramill
