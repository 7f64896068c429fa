#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace terramill {

/// A fixed number of worker threads that run submitted jobs in order of submission.
class ThreadPool {
 public:
  /// `threads` >= 1; UsageError otherwise, LibraryError when the system has no more threads.
  explicit ThreadPool(int threads);
  /// Runs what was submitted, then joins.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return static_cast<int>(workers_.size()); }

  /// Queues a job; its result or exception arrives in the future.
  template <typename F>
  auto submit(F job) -> std::future<std::invoke_result_t<F>> {
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(job));
    auto future = task->get_future();
    push([task] { (*task)(); });
    return future;
  }

 private:
  void push(std::function<void()> job);
  void work();
  void stop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace terramill
