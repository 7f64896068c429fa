#include <terramill/core/error.hpp>
#include <terramill/core/thread_pool.hpp>

#include <stdexcept>

namespace terramill {

ThreadPool::ThreadPool(int threads) {
  if (threads < 1)
    throw UsageError("a thread pool needs at least one thread, not " + std::to_string(threads));
  workers_.reserve(static_cast<std::size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  } catch (const std::system_error& fault) {
    stop();
    throw LibraryError(std::string("cannot start a thread: ") + fault.what(),
                       {"start " + std::to_string(threads) + " worker threads", "",
                        "raise the limit of processes (ulimit -u) or ask for fewer threads"});
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::push(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void ThreadPool::work() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    job();
  }
}

}  // namespace terramill
