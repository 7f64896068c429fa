#include <terramill/core/activity.hpp>
#include <terramill/mpi/work_server.hpp>

#include <algorithm>
#include <exception>

namespace terramill::mpi {

namespace {

constexpr int kAsk = 11;     // worker -> server: nothing
constexpr int kAnswer = 12;  // server -> worker: the item or kNoWork

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

WorkServer::WorkServer(const Communicator& comm, std::vector<std::uint64_t> items)
    : comm_(comm.duplicate()), items_(std::move(items)), meeting_(comm_) {
  comm.barrier();
  start_ = std::chrono::steady_clock::now();
  if (comm_.rank() == 0 && comm_.size() > 1) {
    service_ = std::thread([this] {
      try {
        serve();
      } catch (...) {
        failure_ = std::current_exception();
      }
    });
  }
}

WorkServer::~WorkServer() {
  // Only an exception skips finish().
  stop_ = true;
  if (service_.joinable()) service_.join();
}

double WorkServer::elapsed() const { return seconds_since(start_); }

void WorkServer::serve() {
  name_activity_thread("work service");
  const Activity activity("hand out work");
  // A blocking receive would spin on a core that rank 0's own work needs, so the service polls: quickly while
  // requests come, once a millisecond otherwise.
  auto pause = std::chrono::microseconds(20);
  while (!stop_) {
    int arrived = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, kAsk, comm_.native(), &arrived, &status), "look for requests for work");
    if (!arrived) {
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(1000));
      continue;
    }
    pause = std::chrono::microseconds(20);
    check(MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, kAsk, comm_.native(), MPI_STATUS_IGNORE),
          "receive a request for work");
    const double asked = elapsed();
    std::uint64_t item = kNoWork;
    {
      const std::lock_guard lock(mutex_);
      if (position_ < items_.size()) item = items_[position_++];
    }
    check(MPI_Send(&item, 1, MPI_UINT64_T, status.MPI_SOURCE, kAnswer, comm_.native()),
          "answer a request for work");
    const std::lock_guard lock(mutex_);
    records_.push_back({status.MPI_SOURCE, item, asked, elapsed(), 0});
  }
}

std::optional<std::uint64_t> WorkServer::next() {
  const Activity activity("ask for work");
  const double asked = elapsed();
  std::uint64_t item = kNoWork;
  if (comm_.rank() == 0) {
    const std::lock_guard lock(mutex_);
    if (position_ < items_.size()) item = items_[position_++];
    records_.push_back({0, item, asked, elapsed(), 0});
  } else {
    check(MPI_Send(nullptr, 0, MPI_BYTE, 0, kAsk, comm_.native()), "ask for work");
    check(MPI_Recv(&item, 1, MPI_UINT64_T, 0, kAnswer, comm_.native(), MPI_STATUS_IGNORE), "receive work");
  }
  beat();
  waits_.push_back(elapsed() - asked);
  if (item == kNoWork) return std::nullopt;
  return item;
}

std::vector<WorkRecord> WorkServer::finish() {
  if (finished_) return {};
  finished_ = true;
  meeting_.wait();  // nobody asks any more
  stop_ = true;
  if (service_.joinable()) service_.join();
  if (failure_) std::rethrow_exception(failure_);
  // Each rank's waits belong to its records in order: requests of one rank are answered one after another.
  const std::vector<std::uint64_t> counts = comm_.all_gather(static_cast<std::uint64_t>(waits_.size()));
  const std::vector<double> waits = comm_.all_gather(std::span<const double>(waits_));
  if (comm_.rank() != 0) return {};
  std::vector<std::size_t> cursor(counts.size(), 0);
  for (std::size_t r = 1; r < counts.size(); ++r) cursor[r] = cursor[r - 1] + counts[r - 1];
  for (WorkRecord& record : records_) record.waited = waits[cursor[static_cast<std::size_t>(record.rank)]++];
  return std::move(records_);
}

}  // namespace terramill::mpi
