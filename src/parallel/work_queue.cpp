#include "work_queue.hpp"

#include <terramill/core/error.hpp>

#include <csignal>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace terramill::parallel {

class WorkQueue::Job final : public c10d::Work {
 public:
  Job(c10d::OpType type, std::string what, int rank, std::vector<at::Tensor> results,
      std::function<void()> job)
      : c10d::Work(rank, type), what_(std::move(what)), results_(std::move(results)), job_(std::move(job)) {}

  std::vector<at::Tensor> result() override { return results_; }

  /// `failure` names the first job of the queue that failed; empty while none has.
  void run(std::string& failure) {
    std::exception_ptr fault;
    try {
      if (!failure.empty()) throw LibraryError("an earlier collective failed: " + failure, {what_, "", ""});
      job_();
    } catch (const std::exception& error) {
      if (failure.empty()) {
        failure = what_;
        fault = std::make_exception_ptr(LibraryError(error.what(), {what_, "", ""}));
      } else {
        fault = std::current_exception();
      }
    }
    job_ = nullptr;
    finish(fault);
  }

 private:
  std::string what_;
  std::vector<at::Tensor> results_;
  std::function<void()> job_;
};

WorkQueue::WorkQueue() : thread_([this] { work(); }) {}

WorkQueue::~WorkQueue() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

c10::intrusive_ptr<c10d::Work> WorkQueue::push(c10d::OpType type, std::string what, int rank,
                                               std::vector<at::Tensor> results, std::function<void()> job) {
  auto item = c10::make_intrusive<Job>(type, std::move(what), rank, std::move(results), std::move(job));
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(item);
  }
  wake_.notify_one();
  return item;
}

bool WorkQueue::idle() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && !running_;
}

void WorkQueue::abandon() { thread_.detach(); }

void WorkQueue::work() {
  // Signals are the main thread's business.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  const at::NoGradGuard no_grad;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const auto job = std::move(queue_.front());
    queue_.pop_front();
    running_ = true;
    lock.unlock();
    job->run(failure_);
    lock.lock();
    running_ = false;
  }
}

}  // namespace terramill::parallel
