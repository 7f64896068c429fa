#include "checkpointing.hpp"

#include "bad_rate.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/core/thread_pool.hpp>

#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <utility>

namespace terramill::train {

namespace {

using Tier = checkpoint::AsyncWriter::Tier;
constexpr double kSecondsPerHour = 3600;

std::string text_of(const std::exception_ptr& fault) {
  try {
    std::rethrow_exception(fault);
  } catch (const std::exception& error) {
    return error.what();
  }
}

const char* name_of(Tier tier) { return tier == Tier::kShared ? "checkpoint" : "node-local checkpoint"; }

/// What a run goes on from must have its lines: those of earlier steps would be missing for good.
void sync_metrics(const std::filesystem::path& run) {
  try {
    FileDescriptor::open_read(run / "metrics.jsonl").sync();
  } catch (const IoError& error) {
    log::warn("a loss of power could take lines of the metrics: {}", error.what());
  }
}

/// Writes to the run folder, and has rank 0 remove what need not be kept.
checkpoint::AsyncWriter::Sink shared_sink(const PretrainConfig& config) {
  const std::filesystem::path run = config.output;
  const checkpoint::KeepPolicy keep{config.checkpoint.keep, config.checkpoint.keep_every};
  return [run, keep](const mpi::Communicator& comm, const checkpoint::Snapshot& snapshot) {
    if (comm.rank() == 0) sync_metrics(run);
    checkpoint::write(comm, run, snapshot);
    if (comm.rank() != 0) return;
    try {
      checkpoint::prune(run, keep, snapshot.step());
    } catch (const std::exception& error) {
      log::warn("old checkpoints stay: {}", error.what());
    }
  };
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

/// The node's name. Tests have ranks of one machine play nodes: the r-th name of $TERRAMILL_NODE_NAMES,
/// separated by commas, is that of rank r.
std::string node_name(int rank) {
  const std::string names = variable("TERRAMILL_NODE_NAMES");
  if (names.empty()) return process_host();
  const std::vector<std::string> all = split_list(names);
  return all[static_cast<std::size_t>(rank) % all.size()];
}

/// "$NAME/rest" by the variable of each node: a job's scratch has a path that nobody knows before it starts.
/// UsageError on all ranks where one lacks it. Collective.
std::filesystem::path local_folder(const mpi::Communicator& world, const std::string& option) {
  if (!option.starts_with('$')) return option;
  const std::size_t end = std::min(option.find('/'), option.size());
  const std::string value = variable(option.substr(1, end - 1));
  const int first = world.min(value.empty() ? world.rank() : world.size());
  if (first == world.size()) return value + option.substr(end);
  throw UsageError("the variable " + option.substr(0, end) + " is not set on node " +
                       world.broadcast(node_name(world.rank()), first),
                   {"find the folder of node-local checkpoints", "checkpoint.local " + option,
                    "name a folder that each node has, or set the variable there"});
}

/// The option, or what the node says of itself: $TERRAMILL_FAILURE_GROUP, or the switches that Slurm knows to
/// be above it ($SLURM_TOPOLOGY_ADDR is "switch.….node").
std::string failure_group(const std::string& option) {
  if (!option.empty()) return option;
  if (std::string group = variable("TERRAMILL_FAILURE_GROUP"); !group.empty()) return group;
  const std::string place = variable("SLURM_TOPOLOGY_ADDR");
  const std::size_t node = place.rfind('.');
  return node == std::string::npos ? "" : place.substr(0, node);
}

std::optional<checkpoint::LocalTier> local_tier(const mpi::Communicator& world, const PretrainConfig& config,
                                                const std::string& identity) {
  const CheckpointOptions& o = config.checkpoint;
  if (o.local.empty()) return std::nullopt;
  const std::filesystem::path folder = local_folder(world, o.local);
  checkpoint::LocalTier tier(
      world, {folder, identity, {node_name(world.rank()), failure_group(o.failure_group)}, o.parity_set});
  const std::size_t alone = tier.unprotected().size();
  log::info("node-local checkpoints in {} every {} steps; {} of {} ranks have a parity on other nodes",
            folder.string(), o.local_every, static_cast<std::size_t>(world.size()) - alone, world.size());
  return tier;
}

/// Has the metrics synced on a thread of its own, one call at a time: the run folder may be slow.
class MetricsSync {
 public:
  explicit MetricsSync(std::filesystem::path run) : run_(std::move(run)) {}
  void start() {
    if (running_.valid() && running_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    running_ = thread_.submit([this] { sync_metrics(run_); });
  }

 private:
  std::filesystem::path run_;
  std::future<void> running_;
  ThreadPool thread_{1};
};

checkpoint::AsyncWriter::Sink local_sink(const PretrainConfig& config,
                                         const std::optional<checkpoint::LocalTier>& tier) {
  if (!tier) return {};
  auto metrics = std::make_shared<MetricsSync>(config.output);
  return [metrics, &tier](const mpi::Communicator& comm, const checkpoint::Snapshot& snapshot) {
    tier->write(comm, snapshot);
    if (comm.rank() == 0) metrics->start();
  };
}

}  // namespace

Checkpointing::Checkpointing(const PretrainConfig& config, Session& session, const std::string& identity)
    : config_(config),
      session_(session),
      world_(session.mesh().world()),
      local_(local_tier(world_, config, identity)),
      interval_(config.checkpoint.mtbf * kSecondsPerHour),
      writer_(world_, shared_sink(config), local_sink(config, local_)) {}

bool Checkpointing::restore() {
  drain();
  wants_local_ = false;
  Json paths = Json::array();
  mpi::all_or_none(world_, [&] {
    if (world_.rank() != 0) return;
    for (const auto& path : checkpoint::list(config_.output)) paths.push_back(path.string());
  });
  paths = parse_json(world_.broadcast(dump_json(paths)));
  std::vector<checkpoint::LocalTier::Found> local;
  if (local_) local = local_->find(world_);
  auto found = local.begin();
  for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
    const std::filesystem::path shared = path->get<std::string>();
    for (; found != local.end() && found->step > checkpoint::step_named_by(shared); ++found) {
      if (restore_from(*found)) return true;
    }
    if (restore_from(shared)) return true;
  }
  for (; found != local.end(); ++found) {
    if (restore_from(*found)) return true;
  }
  if (paths.empty()) return false;
  throw IntegrityError(
      "every checkpoint of the run is damaged",
      {"resume", config_.output,
       "the warnings above name each; restore one from a copy, or start anew in another --output"});
}

bool Checkpointing::restore_from(const std::filesystem::path& path) {
  RunState& state = session_.state();
  std::optional<checkpoint::Reader> reader;
  RunState saved;
  std::string fault = checkpoint::damage_in(world_, [&] {
    reader.emplace(path, world_.rank(), world_.size());
    saved = RunState::from_json(reader->meta(), reader->step(), path.string());
  });
  if (fault.empty()) {
    require_same_run(saved, state, path.string());
    const std::vector<checkpoint::StateTensor> tensors = session_.state_tensors();
    fault = checkpoint::damage_in(world_, [&] { restore_tensors(*reader, tensors); });
  }
  if (!fault.empty()) {
    if (world_.rank() == 0)
      log::warn("{} is damaged; the checkpoint before it is tried: {}", path.string(), fault);
    return false;
  }
  state.step = saved_step_ = asked_step_ = saved.step;
  state.replaced = saved.replaced;
  state.skipped = saved.skipped;
  state.accepted = saved.accepted;
  log::info("resuming {} after step {}", path.string(), state.step);
  return true;
}

bool Checkpointing::restore_from(const checkpoint::LocalTier::Found& found) {
  std::filesystem::path path;
  const std::string fault =
      checkpoint::damage_in(world_, [&] { path = local_->promote(world_, found, config_.output); });
  if (!fault.empty()) {
    if (world_.rank() == 0) log::warn("{}", fault);
    return false;
  }
  log::info("step {} was taken from the nodes' disks into {}", found.step, path.string());
  return restore_from(path);
}

void Checkpointing::want(double step_seconds, StepVote& vote) {
  const CheckpointOptions& options = config_.checkpoint;
  const std::int64_t step = session_.state().step;
  if (writing_shared_ || !writer_.busy()) interval_.step_took(step_seconds, writing_shared_);
  const std::int64_t every = options.every_steps();
  const bool due =
      options.automatic() ? step - asked_step_ >= interval_.steps() : every > 0 && step % every == 0;
  vote.say(StepVote::Field::kSave, static_cast<int>(due));
  wants_local_ = wants_local_ || (local_ && step % options.local_every == 0);
  vote.say(StepVote::Field::kSaveLocal, static_cast<int>(wants_local_));
  vote.say(StepVote::Field::kWriting, static_cast<int>(writer_.busy()));
}

bool Checkpointing::saves_locally(const StepVote& vote) {
  // Training never waits to write to the nodes' disks: it is done as soon as the writers are free.
  return vote[StepVote::Field::kSaveLocal] != 0 &&
         (vote[StepVote::Field::kSave] != 0 || vote[StepVote::Field::kWriting] == 0);
}

bool Checkpointing::saves(const StepVote& vote) {
  return vote[StepVote::Field::kSave] != 0 || saves_locally(vote);
}

void Checkpointing::after(const StepVote& vote) {
  // All ranks take notice at the same step, so that what they then tell each other is of the same writes.
  if (vote[StepVote::Field::kWriting] == 0) note(writer_.finished());
  std::vector<Tier> tiers;
  if (saves_locally(vote)) tiers.push_back(Tier::kLocal);
  if (vote[StepVote::Field::kSave] != 0) tiers.push_back(Tier::kShared);
  if (!tiers.empty()) save(std::move(tiers), config_.checkpoint.async);
}

RunState Checkpointing::gathered_state() const {
  // Each replica knows the tiles that it had to replace; the checkpoint keeps all of them.
  RunState state = session_.state();
  state.replaced = gather_replacements(world_, state.replaced);
  return state;
}

std::exception_ptr Checkpointing::save(std::vector<Tier> tiers, bool behind) {
  const auto start = std::chrono::steady_clock::now();
  note(writer_.wait());
  const RunState state = gathered_state();
  writing_shared_ = tiers.back() == Tier::kShared;
  if (writing_shared_) asked_step_ = state.step;
  if (tiers.front() == Tier::kLocal) wants_local_ = false;
  const std::vector<checkpoint::StateTensor> tensors = session_.state_tensors();
  const Json meta = state.to_json(session_.mesh());
  std::vector<Outcome> outcomes;
  if (behind) {
    writer_.submit(state.step, tensors, meta, std::move(tiers));
  } else {
    writer_.write(state.step, tensors, meta, std::move(tiers));
    outcomes = writer_.wait();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  stall_ += seconds;
  if (writing_shared_) interval_.stalled(seconds);
  return note(outcomes);
}

std::exception_ptr Checkpointing::note(const std::vector<Outcome>& outcomes) {
  std::exception_ptr fault;
  for (const Outcome& outcome : outcomes) {
    if (outcome.fault) {
      fault = outcome.fault;
      if (world_.rank() == 0) {
        log::warn("step {}: no {} could be written; the one before stays, and training goes on: {}",
                  outcome.step, name_of(outcome.tier), text_of(outcome.fault));
      }
      continue;
    }
    if (outcome.tier == Tier::kShared) saved_step_ = outcome.step;
    log::info("step {}: {} written in {:.2f} s", outcome.step, name_of(outcome.tier), outcome.seconds);
  }
  if (outcomes.empty()) return fault;
  if (outcomes.back().tier == Tier::kShared) {
    interval_.written(outcomes.back().seconds);
    if (config_.checkpoint.automatic()) {
      const double share =
          checkpoint::young_share(interval_.cost(), config_.checkpoint.mtbf * kSecondsPerHour);
      log::info(
          "a checkpoint costs {:.3f} s of training: one every {} steps; with steps done again after "
          "failures {:.3f} % of the time",
          interval_.cost(), interval_.steps(), 100 * share);
    }
  }
  writing_shared_ = false;
  const PhaseSeconds now = phase_seconds();
  own_work_ += (now - std::exchange(work_before_, now))[Phase::kCheckpoint];
  return fault;
}

void Checkpointing::drain() { note(writer_.wait()); }

void Checkpointing::finish() {
  drain();
  if (world_.min(saved_step_) == session_.state().step) return;
  if (const std::exception_ptr fault = save({Tier::kShared}, /*behind=*/false)) std::rethrow_exception(fault);
}

double Checkpointing::take_stall() noexcept { return std::exchange(stall_, 0); }
double Checkpointing::take_own_work() noexcept { return std::exchange(own_work_, 0); }

}  // namespace terramill::train
