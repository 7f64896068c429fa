#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/mpi/meeting.hpp>
#include <terramill/mpi/peer_error.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>

namespace terramill::mpi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTold = 7;
constexpr double kSilent = 2;  // seconds: four times what who waits hears of a rank that works
constexpr std::chrono::seconds kDeadline{60};  // of what must come, on a busy machine

/// Looks at the watched work "waiting" of this process until `enough` holds of the seconds that it is silent
/// and of the beats seen; whether that came.
template <typename F>
bool watch(F enough) {
  const auto deadline = Clock::now() + kDeadline;
  double last = std::numeric_limits<double>::infinity();
  int beats = -1;  // the first look is none
  while (Clock::now() < deadline) {
    double silent = 0;
    for (const Silence& one : silences(Clock::now())) {
      if (one.name == "waiting") silent = one.seconds;
    }
    if (silent < last) ++beats;
    last = silent;
    if (enough(silent, beats)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void tell(const Communicator& comm, int rank) {
  check(MPI_Send(nullptr, 0, MPI_BYTE, rank, kTold, comm.native()), "tell a rank");
}

/// Works until `count` ranks have told: each step is a beat, where `gets_on`.
void work_until_told(const Communicator& comm, int count, bool gets_on) {
  while (count > 0) {
    if (gets_on) beat();
    int arrived = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, kTold, comm.native(), &arrived, &status), "look for messages");
    if (arrived == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    check(MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, kTold, comm.native(), MPI_STATUS_IGNORE), "hear");
    --count;
  }
}

TEST(Meeting, NobodyLeavesBeforeAllAreThere) {
  const Communicator world = Communicator::world();
  const Communicator talk = world.duplicate();
  for (int last = 0; last < world.size(); ++last) {
    Meeting meeting(world);
    if (world.rank() == last) work_until_told(talk, world.size() - 1, true);
    if (world.rank() != last) tell(talk, last);
    meeting.wait();
  }
}

TEST(Meeting, WhoWaitsGetsOnAsLongAsAllDoThatWork) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) GTEST_SKIP() << "nobody waits";
  const Communicator talk = world.duplicate();
  Meeting meeting(world);
  if (world.rank() == 0) {
    work_until_told(talk, world.size() - 1, true);
    meeting.wait();
    return;
  }
  std::thread looker;
  bool heard = false;
  {
    const Watched waiting("waiting");
    looker = std::thread([&] {
      heard = watch([](double, int beats) { return beats >= 4; });
      tell(talk, 0);
    });
    meeting.wait();
    looker.join();
  }
  EXPECT_TRUE(heard);
}

TEST(Meeting, WhoWaitsForASilentRankIsSilentThoughOthersGetOn) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) GTEST_SKIP() << "nobody waits";
  const Communicator talk = world.duplicate();
  const int workers = world.size() > 2 ? 2 : 1;
  Meeting meeting(world);
  if (world.rank() < workers) {
    work_until_told(talk, world.size() - workers, world.rank() == 1);
    meeting.wait();
    return;
  }
  const Watched waiting("waiting");
  bool silent = false;
  std::thread looker([&] {
    silent = watch([](double seconds, int) { return seconds > kSilent; });
    for (int worker = 0; worker < workers; ++worker) tell(talk, worker);
  });
  meeting.wait();
  looker.join();
  EXPECT_TRUE(silent);
}

TEST(WorkAndMeet, WhatAJobThrowsIsThrownWhenAllHaveEnded) {
  const Communicator world = Communicator::world();
  const auto job = [&] {
    if (world.rank() == world.size() - 1) throw FormatError("refused");
  };
  if (world.rank() == world.size() - 1) {
    EXPECT_THROW(work_and_meet(world, job), FormatError);
  } else {
    EXPECT_NO_THROW(work_and_meet(world, job));
  }
  EXPECT_EQ(world.sum(1), world.size());
}

/// While it lives no thread can start: each would get a larger stack than there are addresses.
class NoThreads {
 public:
  NoThreads() {
    pthread_attr_t attributes;
    pthread_getattr_default_np(&attributes);
    pthread_attr_getstacksize(&attributes, &size_);
    set(std::size_t{1} << 50);
    pthread_attr_destroy(&attributes);
  }
  ~NoThreads() { set(size_); }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  static void set(std::size_t size) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size);
    EXPECT_EQ(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
  }
  std::size_t size_ = 0;
};

TEST(WorkAndMeet, ARankThatCannotStartItsThreadEndsItOnEveryRank) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) GTEST_SKIP() << "nobody waits";
  bool worked = false;
  const auto meet = [&] { all_or_none(world, [&] { work_and_meet(world, [&] { worked = true; }); }); };
  std::string text;
  try {
    std::optional<NoThreads> none;
    if (world.rank() == 1) none.emplace();
    meet();
  } catch (const Error& error) {
    text = error.what();
    EXPECT_EQ(dynamic_cast<const PeerError*>(&error) == nullptr, world.rank() == 1);
  }
  EXPECT_NE(text.find("no thread can be started"), std::string::npos) << text;
  EXPECT_FALSE(worked);
  meet();
  EXPECT_TRUE(worked);
}

}  // namespace
}  // namespace terramill::mpi
