#include <terramill/core/activity.hpp>
#include <terramill/fault/watchdog.hpp>

#include <chrono>
#include <latch>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace terramill::fault {
namespace {

using std::chrono::seconds;

constexpr double kLimit = 100;

/// Looks every ten seconds of an invented clock, that runs ahead of the beats; returns the second of the
/// first alarm, or `until`.
int alarm(HangJudge& judge, HangJudge::Time begin, int from, int until, std::vector<Silence>& hung) {
  for (int t = from; t < until; t += 10) {
    hung = judge.look(begin + seconds(t));
    if (!hung.empty()) return t;
  }
  return until;
}

TEST(HangJudge, SilentWorkIsNamedAfterTheLimitAndNotBefore) {
  const auto begin = std::chrono::steady_clock::now();
  HangJudge judge(kLimit, "process", begin);
  const Watched training("training");
  std::vector<Silence> hung;
  const int at = alarm(judge, begin, 0, 300, hung);
  EXPECT_GE(at, kLimit);
  EXPECT_LE(at, kLimit + 10);
  ASSERT_EQ(hung.size(), 1U);
  EXPECT_EQ(hung[0].name, "training");
}

TEST(HangJudge, TheProcessAsAWholeIsWatchedWhereNothingElseIs) {
  const auto begin = std::chrono::steady_clock::now();
  HangJudge judge(kLimit, "corpus build", begin);
  std::vector<Silence> hung;
  EXPECT_LT(alarm(judge, begin, 0, 300, hung), 300);
  ASSERT_EQ(hung.size(), 1U);
  EXPECT_EQ(hung[0].name, "corpus build");
}

TEST(HangJudge, WhoWaitsForAWatchedThreadIsNotSilentButTheProcessIs) {
  const auto begin = std::chrono::steady_clock::now();
  HangJudge judge(kLimit, "process", begin);
  const Watched training("training");
  const Unwatched waits;
  std::vector<Silence> hung;
  alarm(judge, begin, 0, 300, hung);
  ASSERT_EQ(hung.size(), 1U);
  EXPECT_EQ(hung[0].name, "process");
}

TEST(HangJudge, AProcessThatWasStoppedAsAWholeIsForgiven) {
  const auto begin = std::chrono::steady_clock::now();
  HangJudge judge(kLimit, "process", begin);
  const Watched training("training");
  EXPECT_TRUE(judge.look(begin + seconds(10)).empty());
  EXPECT_TRUE(judge.look(begin + seconds(5000)).empty()) << "nobody could have looked in between";
}

TEST(HangJudge, ABeatOfAnotherThreadDoesNotExcuseWatchedWork) {
  const auto begin = std::chrono::steady_clock::now();
  HangJudge judge(kLimit, "process", begin);
  const Watched training("training");
  std::thread([] { beat(); }).join();
  std::vector<Silence> hung;
  alarm(judge, begin, 0, 300, hung);
  ASSERT_EQ(hung.size(), 1U);
  EXPECT_EQ(hung[0].name, "training");
}

TEST(DescribeProcess, NamesRankReasonThreadsAndWhatTheyDo) {
  name_activity_thread("main");
  Activity step("step");
  step.with("step", 12);
  std::latch begun(1), seen(1);
  std::thread other([&] {
    name_activity_thread("loader-0");
    const Activity read("read", "/corpus/shards/shard-00003.h5");
    begun.count_down();
    seen.wait();
  });
  begun.wait();
  const std::string text = describe_process(3, "training got no further");
  seen.count_down();
  other.join();
  EXPECT_NE(text.find("rank 3"), std::string::npos);
  EXPECT_NE(text.find("training got no further"), std::string::npos);
  EXPECT_NE(text.find("main: step (step 12)"), std::string::npos) << text;
  EXPECT_NE(text.find("loader-0: read (/corpus/shards/shard-00003.h5)"), std::string::npos) << text;
}

}  // namespace
}  // namespace terramill::fault
