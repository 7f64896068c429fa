#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/process_silence.hpp>
#include <terramill/mpi/meeting.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>

namespace terramill::mpi {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kInterval{500};
constexpr std::chrono::microseconds kFirstNap{50}, kLongestNap{5000};

/// One exchange: whether this rank, and whether every rank, has got on or is here; and is here.
struct Round {
  std::array<int, 2> own{}, least{};
  MPI_Request request = MPI_REQUEST_NULL;
};

}  // namespace

Meeting::Meeting(const Communicator& comm) : comm_(comm) {
  if (comm_.size() == 1) return;
  try {
    all_or_none(comm_, [this] { start(); });
  } catch (...) {
    leave();
    throw;
  }
  const std::lock_guard lock(mutex_);
  begun_ = true;
  changed_.notify_all();
}

void Meeting::start() {
  try {
    thread_ = std::thread([this] {
      try {
        talk();
      } catch (...) {
        failure_ = std::current_exception();
        const std::lock_guard lock(mutex_);
        over_ = true;
        changed_.notify_all();
      }
    });
  } catch (const std::system_error& error) {
    throw Error("no thread can be started: " + std::string(error.what()),
                {"wait for the work of other ranks", "",
                 "raise the limits of processes (ulimit -u) and memory, or use fewer threads"});
  }
}

Meeting::~Meeting() { leave(); }

void Meeting::leave() noexcept {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    left_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Meeting::wait() {
  beat();
  if (!thread_.joinable()) return;
  const Activity activity("wait for the work of other ranks");
  std::unique_lock lock(mutex_);
  here_ = true;
  changed_.notify_all();
  for (std::uint64_t heard = heard_; !over_; heard = heard_) {
    changed_.wait(lock, [&] { return over_ || heard_ != heard; });
    beat();
  }
  lock.unlock();
  leave();
  if (failure_) std::rethrow_exception(failure_);
}

void Meeting::talk() {
  // Nothing here may give a beat: this thread gets on whether the work does or not.
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return begun_ || left_; });
  Clock::time_point last_look = Clock::now();
  bool got_on = false;  // since all who work last had
  while (!over_) {
    // Who waits is in the next exchange at once, so that the last to come ends the wait.
    changed_.wait_for(lock, kInterval, [&] { return here_ || left_; });
    if (left_) return;
    const bool here = here_;
    lock.unlock();
    const Clock::time_point now = Clock::now();
    got_on = got_on || process_silence(now) < std::chrono::duration<double>(now - last_look).count();
    last_look = now;
    if (exchange(here, got_on)) got_on = false;
    lock.lock();
  }
}

/// Tells every rank about this one; whether each is here or has got on.
bool Meeting::exchange(bool here, bool got_on) {
  auto round = std::make_unique<Round>();
  round->own = {here || got_on ? 1 : 0, here ? 1 : 0};
  check(MPI_Iallreduce(round->own.data(), round->least.data(), 2, MPI_INT, MPI_MIN, comm_.native(),
                       &round->request),
        "hear of the other ranks' work");
  std::unique_lock lock(mutex_);
  for (auto nap = kFirstNap;; nap = std::min(2 * nap, kLongestNap)) {
    int done = 0;
    check(MPI_Test(&round->request, &done, MPI_STATUS_IGNORE), "hear of the other ranks' work");
    if (done != 0) break;
    if (changed_.wait_for(lock, nap, [&] { return left_; })) {
      static_cast<void>(round.release());  // MPI may write to it until the job ends
      return false;
    }
  }
  over_ = round->least[1] != 0;
  if (round->least[0] != 0) ++heard_;
  changed_.notify_all();
  return round->least[0] != 0;
}

}  // namespace terramill::mpi
