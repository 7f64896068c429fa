#pragma once

#include <terramill/mpi/communicator.hpp>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace terramill::mpi {

/// Where ranks wait for those that still work, however long that takes. From its construction on every rank
/// says twice a second whether any thread of it has given a beat (core/activity.hpp). Who waits gives one
/// whenever each rank that still works has got on since the last: it is silent only when one of them is, or
/// is stopped, dead or cut off.
///
/// Over a communicator on which nobody calls a collective between construction and the end of `wait`; it must
/// outlive this. Both are collective; where a rank's thread cannot start, construction throws on every rank.
class Meeting {
 public:
  explicit Meeting(const Communicator& comm);
  /// Only an exception may skip `wait`; the job must end then, since the other ranks wait for ever.
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  /// Says that this rank's work is done, and returns when every rank's is. Once.
  void wait();

 private:
  void start();
  void talk();
  bool exchange(bool here, bool got_on);
  void leave() noexcept;

  const Communicator& comm_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;                // guarded by mutex_: every rank has its thread
  bool here_ = false, left_ = false;  // guarded by mutex_: this rank waits; it waits no more
  bool over_ = false;                 // guarded by mutex_: every rank is here, or the talk failed
  std::uint64_t heard_ = 0;           // guarded by mutex_: how often all who work had got on
  std::exception_ptr failure_;        // of the thread; read after joining it
  std::thread thread_;                // last: it uses all of the above
};

/// Runs `job`, which calls no collective over `comm`, and waits for the other ranks' in a Meeting; what it
/// throws is thrown then. For jobs that take longer on some ranks than on others. Collective.
template <typename F>
void work_and_meet(const Communicator& comm, F&& job) {
  Meeting meeting(comm);
  std::exception_ptr failure;
  try {
    std::forward<F>(job)();
  } catch (...) {
    failure = std::current_exception();
  }
  try {
    meeting.wait();
  } catch (...) {
    if (!failure) throw;
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace terramill::mpi
