#include <terramill/checkpoint/async_writer.hpp>
#include <terramill/core/activity.hpp>
#include <terramill/core/trace.hpp>

#include <chrono>
#include <utility>

namespace terramill::checkpoint {

AsyncWriter::AsyncWriter(const mpi::Communicator& world, Sink shared, Sink local)
    : world_(world), own_(world.duplicate()), shared_(std::move(shared)), local_(std::move(local)) {}

AsyncWriter::~AsyncWriter() = default;  // the thread ends its work before what it uses goes

bool AsyncWriter::busy() const {
  return running_.valid() && running_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

std::vector<AsyncWriter::Outcome> AsyncWriter::finished() {
  if (busy()) return std::exchange(outcomes_, {});
  return wait();
}

std::vector<AsyncWriter::Outcome> AsyncWriter::wait() {
  if (running_.valid()) {
    const trace::Span span("wait for checkpoint", "checkpoint");
    const Unwatched waits;  // for a thread that is watched
    for (Outcome& outcome : running_.get()) outcomes_.push_back(std::move(outcome));
  }
  return std::exchange(outcomes_, {});
}

void AsyncWriter::submit(std::int64_t step, const std::vector<StateTensor>& tensors, const Json& meta,
                         std::vector<Tier> tiers) {
  outcomes_ = wait();
  mpi::all_or_none(world_, [&] {
    std::optional<Snapshot> spare = std::exchange(snapshot_, std::nullopt);
    snapshot_.emplace(world_.rank(), world_.size(), step, tensors, meta, std::move(spare));
  });
  start(*snapshot_, std::move(tiers));
}

void AsyncWriter::write(std::int64_t step, const std::vector<StateTensor>& tensors, const Json& meta,
                        std::vector<Tier> tiers) {
  outcomes_ = wait();
  std::optional<Snapshot> view;
  mpi::all_or_none(
      world_, [&] { view.emplace(Snapshot::view_of(world_.rank(), world_.size(), step, tensors, meta)); });
  start(*view, std::move(tiers));
  outcomes_ = wait();
}

void AsyncWriter::start(const Snapshot& snapshot, std::vector<Tier> tiers) {
  running_ = thread_.submit([this, &snapshot, tiers = std::move(tiers)] {
    trace::name_thread("checkpoint");
    const Watched watched("checkpoint");
    std::vector<Outcome> outcomes;
    for (const Tier tier : tiers) {
      const auto start = std::chrono::steady_clock::now();
      Outcome outcome{tier, snapshot.step(), 0, nullptr};
      try {
        (tier == Tier::kShared ? shared_ : local_)(own_, snapshot);
      } catch (const std::exception&) {
        outcome.fault = std::current_exception();
      }
      outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      outcomes.push_back(std::move(outcome));
    }
    return outcomes;
  });
}

}  // namespace terramill::checkpoint
