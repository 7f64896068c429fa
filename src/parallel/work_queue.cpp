#include "work_queue.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <chrono>
#include <csignal>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace terramill::parallel {

namespace {

constexpr const char* kCategory = "communication";

/// "all-reduce" of "all-reduce of Float [3] among 2 ranks".
const char* traced_name(const std::string& what) { return trace::keep(what.substr(0, what.find(" of "))); }

}  // namespace

class WorkQueue::Job final : public c10d::Work {
 public:
  Job(c10d::OpType type, std::string what, int rank, std::vector<at::Tensor> results,
      std::function<void()> job, std::int64_t bytes)
      : c10d::Work(rank, type),
        what_(std::move(what)),
        results_(std::move(results)),
        job_(std::move(job)),
        name_(traced_name(what_)),
        bytes_(bytes) {
    trace::instant("launch", kCategory, {"collective", 0, name_}, {"bytes", bytes_});
  }

  std::vector<at::Tensor> result() override { return results_; }

  bool wait(std::chrono::milliseconds timeout) override {
    if (isCompleted()) return c10d::Work::wait(timeout);
    const PhaseTimer exposed(Phase::kExposed);
    trace::Span span("wait for collective", kCategory);
    span.with("collective", name_).with("bytes", bytes_);
    const bool done = c10d::Work::wait(timeout);
    beat();
    return done;
  }

  /// `failure` names the first job of the queue that failed; empty while none has. `group` is for the trace.
  void run(std::string& failure, const char* group) {
    std::exception_ptr fault;
    try {
      if (!failure.empty()) throw LibraryError("an earlier collective failed: " + failure, {what_, "", ""});
      const PhaseTimer busy(Phase::kCommunication);
      trace::Span span(name_, kCategory);
      span.with("bytes", bytes_).with("group", group);
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
  const char* name_;
  std::int64_t bytes_;
};

WorkQueue::WorkQueue(const std::string& group) : thread_([this, group] { work(group); }) {}

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
                                               std::vector<at::Tensor> results, std::function<void()> job,
                                               std::int64_t bytes) {
  auto item =
      c10::make_intrusive<Job>(type, std::move(what), rank, std::move(results), std::move(job), bytes);
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

void WorkQueue::work(const std::string& group) {
  trace::name_thread(group.empty() ? "communication" : "communication " + group);
  const char* const traced_group = trace::keep(group);
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
    job->run(failure_, traced_group);
    lock.lock();
    running_ = false;
  }
}

}  // namespace terramill::parallel
