#include "support/error_text.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/progress.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <pty.h>
#include <termios.h>
#include <unistd.h>

namespace terramill {
namespace {

using testing::contains;

/// What `work` writes to standard error when that is a terminal.
template <typename Work>
std::string on_terminal(Work work) {
  int controller = -1;
  int terminal = -1;
  if (::openpty(&controller, &terminal, nullptr, nullptr, nullptr) != 0) return "";
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(terminal, STDERR_FILENO);
  work();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(terminal);
  std::string text;
  char block[4096];
  for (ssize_t count = 0; (count = ::read(controller, block, sizeof block)) > 0;) {
    text.append(block, static_cast<std::size_t>(count));
  }
  ::close(controller);
  return text;
}

TEST(Progress, BatchLogGetsPlainLinesOnly) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("corpus build", 1000, "tiles");
    for (int i = 0; i < 1000; ++i) progress.add();
  }
  const auto text = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(contains(text, "corpus build: 1000/1000 tiles (100%)"));
  EXPECT_EQ(text.find_first_of("\r\x1b"), std::string::npos);
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(Progress, UnfinishedWorkSaysHowFarItCame) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("epoch", 10, "steps");
    progress.set(4);
    progress.note("loss 2.31");
  }
  const auto text = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(contains(text, "epoch: 4/10 steps (40%)"));
  EXPECT_TRUE(contains(text, "incomplete after"));
  EXPECT_TRUE(contains(text, "loss 2.31"));
}

TEST(Progress, OnlyRankZeroSpeaks) {
  set_process_identity(1, 2);
  ::testing::internal::CaptureStderr();
  { Progress progress("epoch", 10, "steps"); }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  set_process_identity(0, 1);
}

TEST(Progress, TerminalGetsABar) {
  const auto text = on_terminal([] {
    Progress progress("epoch", 4, "steps");
    progress.add(4);
  });
  if (text.empty()) GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_TRUE(contains(text, "[========================] 4/4 steps (100%)"));
}

TEST(Progress, CountsFromManyThreads) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("read", 4000, "tiles");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&progress] {
        for (int i = 0; i < 1000; ++i) progress.add();
      });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_TRUE(contains(::testing::internal::GetCapturedStderr(), "read: 4000/4000 tiles"));
}

}  // namespace
}  // namespace terramill
