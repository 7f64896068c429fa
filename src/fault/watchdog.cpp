#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/process_silence.hpp>
#include <terramill/fault/watchdog.hpp>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <unistd.h>

namespace terramill::fault {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr int kHere = 21;  // a rank has reported and is about to end
constexpr Seconds kLongestLook{1}, kShortestLook{0.05}, kGrace{10};

std::string rounded(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  return text;
}

/// In one call, past all buffers and locks of the process.
void say(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // nobody listens
    done += static_cast<std::size_t>(count);
  }
}

/// Every rank's host, on every rank. Collective.
std::vector<std::string> hosts_of(const mpi::Communicator& world) {
  std::string joined;
  for (const std::string& host : world.gather(process_host())) joined += host + '\n';
  joined = world.broadcast(joined);
  std::vector<std::string> hosts;
  for (std::size_t begin = 0; begin < joined.size();) {
    const std::size_t end = joined.find('\n', begin);
    hosts.push_back(joined.substr(begin, end - begin));
    begin = end + 1;
  }
  return hosts;
}

void write_report(const fs::path& folder, int rank, const std::string& text) {
  char name[32];
  std::snprintf(name, sizeof name, "hung-%05d.txt", rank);
  std::error_code ignored;  // the file below fails, and says why
  fs::create_directories(folder, ignored);
  try {
    FileDescriptor file = FileDescriptor::append(folder / name);
    file.write(std::as_bytes(std::span(text)));
    file.sync();
  } catch (const IoError& fault) {
    say("terramill: " + std::string(fault.what()) + "\n");
  }
}

}  // namespace

HangJudge::HangJudge(double limit, std::string name, Time now)
    : limit_(limit), name_(std::move(name)), last_look_(now) {
  beat();
}

std::vector<Silence> HangJudge::look(Time now) {
  const double since = Seconds(now - std::exchange(last_look_, now)).count();
  if (since > limit_ / 2) {
    beat_all();
    return {};
  }
  std::vector<Silence> hung = silences(now);
  if (std::ranges::none_of(hung, [&](const Silence& work) { return work.seconds > limit_; })) {
    hung.push_back({name_, "any thread", process_silence(now)});
  }
  std::erase_if(hung, [&](const Silence& work) { return work.seconds <= limit_; });
  return hung;
}

std::string describe_process(int rank, const std::string& reason) {
  const std::string label = "terramill: [rank " + std::to_string(rank) + " on " + process_host() + "] ";
  std::string text = label + reason + "\n";
  for (const ThreadActivities& thread : current_activities()) {
    if (thread.activities.empty()) continue;
    std::string line;
    for (const auto& entry : thread.activities) {
      line += (line.empty() ? "" : " > ") + entry.text + ", " + rounded(entry.seconds);
    }
    text += label + "  " + thread.thread + ": " + line + "\n";
  }
  return text;
}

class Watchdog::State {
 public:
  State(const mpi::Communicator& world, double limit, std::string name, fs::path folder)
      : limit_(limit),
        judge_(limit, std::move(name), Clock::now()),
        folder_(std::move(folder)),
        hosts_(hosts_of(world)),
        comm_(world.duplicate()),
        thread_([this] { watch(); }) {}

  ~State() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

 private:
  void watch() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    name_activity_thread("watchdog");
    const Seconds pause = std::clamp(Seconds(limit_ / 10), kShortestLook, kLongestLook);
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, pause, [&] { return stopping_; })) {
      lock.unlock();
      if (const auto reason = look()) end(*reason);
      lock.lock();
    }
  }

  /// Why to end, if so.
  std::optional<std::string> look() {
    const std::vector<Silence> hung = judge_.look(Clock::now());
    if (!hung.empty()) {
      std::string what;
      for (const Silence& work : hung) {
        what += (what.empty() ? "" : ", ") + work.name + " got no further for " + rounded(work.seconds);
      }
      return what + " (fault.limit " + rounded(limit_) + "); its threads:";
    }
    if (comm_.size() > 1) {
      int arrived = 0;
      MPI_Status status;
      if (MPI_Iprobe(MPI_ANY_SOURCE, kHere, comm_.native(), &arrived, &status) == MPI_SUCCESS &&
          arrived != 0) {
        return "rank " + std::to_string(status.MPI_SOURCE) + " on " +
               hosts_[static_cast<std::size_t>(status.MPI_SOURCE)] + " hangs, all end; the threads here:";
      }
    }
    return std::nullopt;
  }

  /// Reports and ends the process. What may hang itself runs in threads that nobody joins.
  [[noreturn]] void end(const std::string& reason) {
    const std::string report = describe_process(comm_.rank(), reason);
    say(report);
    // Whoever starts ranks ends the others with SIGTERM when the first one ends; the code counts, not that.
    std::signal(SIGTERM, SIG_IGN);
    std::unique_lock lock(mutex_);
    pending_ = 2;
    std::thread([this, report] {
      if (!folder_.empty()) write_report(folder_, comm_.rank(), report);
      done();
    }).detach();
    std::thread([this] {
      meet();
      done();
    }).detach();
    wake_.wait_for(lock, kGrace + kLongestLook, [&] { return pending_ == 0; });
    ::_exit(static_cast<int>(ExitCode::kHung));
  }

  void done() {
    const std::lock_guard lock(mutex_);
    --pending_;
    wake_.notify_all();
  }

  /// Tells the other ranks, and waits until each has told its own; the lowest rank names those that have not.
  void meet() {
    const int own = comm_.rank(), size = comm_.size();
    std::vector<MPI_Request> requests;
    const int nothing = 0;
    for (int rank = 0; rank < size; ++rank) {
      if (rank == own) continue;
      requests.emplace_back(MPI_REQUEST_NULL);
      if (MPI_Isend(&nothing, 1, MPI_INT, rank, kHere, comm_.native(), &requests.back()) != MPI_SUCCESS)
        return;
    }
    std::vector<bool> here(static_cast<std::size_t>(size), false);
    here[static_cast<std::size_t>(own)] = true;
    int left = size - 1;
    const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(kGrace);
    while (left > 0 && Clock::now() < deadline) {
      int arrived = 0, ignored = 0;
      MPI_Status status;
      if (MPI_Iprobe(MPI_ANY_SOURCE, kHere, comm_.native(), &arrived, &status) != MPI_SUCCESS) return;
      if (arrived == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        continue;
      }
      if (MPI_Recv(&ignored, 1, MPI_INT, status.MPI_SOURCE, kHere, comm_.native(), MPI_STATUS_IGNORE) !=
          MPI_SUCCESS) {
        return;
      }
      here[static_cast<std::size_t>(status.MPI_SOURCE)] = true;
      --left;
    }
    if (std::find(here.begin(), here.end(), true) - here.begin() != own) return;
    std::string missing;
    for (int rank = 0; rank < size; ++rank) {
      if (here[static_cast<std::size_t>(rank)]) continue;
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank) + " on " +
                 hosts_[static_cast<std::size_t>(rank)];
    }
    const std::string text =
        missing.empty() ? "terramill: every rank has said what it was doing\n"
                        : "terramill: no answer from rank " + missing + ": stopped, dead or cut off\n";
    say(text);
    if (!folder_.empty()) write_report(folder_, own, text);
  }

  double limit_;
  HangJudge judge_;
  fs::path folder_;
  std::vector<std::string> hosts_;  ///< by rank
  mpi::Communicator comm_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  int pending_ = 0;        // guarded by mutex_: parts of the report
  std::thread thread_;     // last: it uses all of the above
};

Watchdog::Watchdog(const mpi::Communicator& world, double limit, std::string name, fs::path folder)
    : state_(std::make_unique<State>(world, limit, std::move(name), std::move(folder))) {}

Watchdog::~Watchdog() = default;

}  // namespace terramill::fault
