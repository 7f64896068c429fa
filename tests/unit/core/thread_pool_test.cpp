#include <terramill/core/error.hpp>
#include <terramill/core/thread_pool.hpp>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace terramill {
namespace {

TEST(ThreadPool, ResultsArriveInTheirFutures) {
  ThreadPool pool(3);
  EXPECT_EQ(pool.size(), 3);
  std::vector<std::future<int>> results;
  for (int i = 0; i < 200; ++i) results.push_back(pool.submit([i] { return i * i; }));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
}

TEST(ThreadPool, OneThreadKeepsTheOrderOfSubmission) {
  std::vector<int> order;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 100; ++i) static_cast<void>(pool.submit([&order, i] { order.push_back(i); }));
  }
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(ThreadPool, ExceptionsReachTheCallerAndSpareTheThread) {
  ThreadPool pool(1);
  auto bad = pool.submit([]() -> int { throw std::runtime_error("broken"); });
  EXPECT_THROW(bad.get(), std::runtime_error);
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

TEST(ThreadPool, JobsRunAtTheSameTime) {
  // Each job waits for all others: this ends only when every thread runs one.
  std::latch all(4);
  ThreadPool pool(4);
  std::vector<std::future<void>> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(pool.submit([&all] { all.arrive_and_wait(); }));
  for (auto& job : jobs) job.get();
}

TEST(ThreadPool, DestructionRunsWhatWasSubmitted) {
  std::atomic<int> done{0};
  {
    ThreadPool pool(2);
    for (int i = 0; i < 500; ++i) static_cast<void>(pool.submit([&done] { ++done; }));
  }
  EXPECT_EQ(done.load(), 500);
}

TEST(ThreadPool, TakesMoveOnlyJobs) {
  ThreadPool pool(1);
  auto value = std::make_unique<int>(9);
  EXPECT_EQ(pool.submit([value = std::move(value)] { return *value; }).get(), 9);
}

TEST(ThreadPool, NoThreadsAreRefused) { EXPECT_THROW(ThreadPool(0), UsageError); }

}  // namespace
}  // namespace terramill
