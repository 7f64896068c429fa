#include "parallel/work_queue.hpp"

#include <terramill/core/error.hpp>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::parallel {
namespace {

c10::intrusive_ptr<c10d::Work> push(WorkQueue& queue, const std::string& what, std::function<void()> job) {
  return queue.push(c10d::OpType::UNKNOWN, what, 0, {}, std::move(job));
}

TEST(WorkQueue, RunsInOrderAndReturnsBeforeTheJobIsDone) {
  std::promise<void> gate;
  const std::shared_future<void> open(gate.get_future());
  std::vector<int> ran;
  WorkQueue queue;
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  for (int i = 0; i < 100; ++i) {
    works.push_back(push(queue, "job", [&ran, open, i] {
      open.wait();
      ran.push_back(i);
    }));
  }
  for (const auto& work : works) EXPECT_FALSE(work->isCompleted());
  gate.set_value();
  for (const auto& work : works) EXPECT_TRUE(work->wait());
  ASSERT_EQ(ran.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST(WorkQueue, FinishesWhatIsQueuedBeforeItEnds) {
  int ran = 0;
  {
    WorkQueue queue;
    for (int i = 0; i < 10; ++i) push(queue, "job", [&] { ++ran; });
  }
  EXPECT_EQ(ran, 10);
}

std::string fault_of(const c10::intrusive_ptr<c10d::Work>& work) {
  try {
    work->wait();
  } catch (const LibraryError& error) {
    return error.what();
  }
  return "";
}

TEST(WorkQueue, WaitThrowsWhatTheJobThrewAndLaterJobsFail) {
  bool ran = false;
  WorkQueue queue;
  const auto bad = push(queue, "all-reduce of float [3]", [] { throw LibraryError("the wire is cut"); });
  const auto later = push(queue, "barrier", [&] { ran = true; });
  const std::string fault = fault_of(bad);
  EXPECT_NE(fault.find("all-reduce of float [3]"), std::string::npos) << fault;
  EXPECT_NE(fault.find("the wire is cut"), std::string::npos) << fault;
  EXPECT_FALSE(bad->isSuccess());
  EXPECT_NE(fault_of(later).find("all-reduce of float [3]"), std::string::npos);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace terramill::parallel
