#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Work.hpp>

namespace terramill::parallel {

/// Runs jobs in order on one thread, asleep when there is none, and tells of each by a c10d::Work. After a
/// job that threw, all later ones fail with a mention of it.
class WorkQueue {
 public:
  /// `group` names the thread in traces.
  explicit WorkQueue(const std::string& group = "");
  /// Runs what was queued, then joins.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// `what` names the job in errors, and up to " of " in traces, `bytes` its size there; `results` are what
  /// Work::result gives, and stay alive until the work is gone.
  c10::intrusive_ptr<c10d::Work> push(c10d::OpType type, std::string what, int rank,
                                      std::vector<at::Tensor> results, std::function<void()> job,
                                      std::int64_t bytes = 0);
  /// Whether nothing is queued or running.
  bool idle();
  /// Lets go of the thread, which goes on, or hangs, by itself; the queue must live until the process ends.
  void abandon();

 private:
  class Job;
  void work(const std::string& group);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<c10::intrusive_ptr<Job>> queue_;  // guarded by mutex_
  bool running_ = false, stopping_ = false;    // guarded by mutex_
  std::string failure_;                        // the thread's own
  std::thread thread_;
};

}  // namespace terramill::parallel
