#include "online_knn.hpp"
#include "run_state.hpp"
#include "sampling_record.hpp"
#include "session.hpp"
#include "validation.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/train/metrics.hpp>
#include <terramill/train/pretraining.hpp>
#include <terramill/train/stop_request.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <utility>

#include <malloc.h>
#include <torch/torch.h>

namespace terramill::train {

namespace {

/// Rank 0 prepares the run folder and holds its lock; every rank learns of a refusal.
std::optional<DirectoryLock> claim_run(const mpi::Communicator& world, const PretrainConfig& config) {
  std::optional<DirectoryLock> lock;
  mpi::all_or_none(world, [&] {
    if (world.rank() != 0) return;
    std::error_code error;
    std::filesystem::create_directories(config.output, error);
    if (error) {
      throw IoError("cannot make the run folder", error.value(),
                    {"start a run", config.output, "choose another --output or make it writable"});
    }
    lock.emplace(config.output, "pretrain");
    if (!config.resume && !checkpoint::list(config.output).empty()) {
      throw UsageError("the run folder already holds checkpoints",
                       {"start a run", config.output, "add --resume to go on, or choose another --output"});
    }
  });
  return lock;
}

/// A pretraining run in its folder: from a fresh start or a checkpoint to the end or a stop.
class Run {
 public:
  Run(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table);
  ExitCode go();

 private:
  void start_or_resume();
  void describe() const;
  void step();
  void validate();
  void test_features();
  void save();

  const mpi::Communicator& world_;
  const PretrainConfig& config_;
  const OptionTable& table_;
  std::optional<DirectoryLock> lock_;
  Session session_;
  RunState& state_;
  Validation validation_;
  std::optional<OnlineKnn> knn_;
  StopRequest stop_;
  std::optional<MetricsWriter> metrics_;
  std::int64_t saved_step_ = -1;
  double saving_ = 0;  ///< seconds of save() since the last step
  bool stop_agreed_ = false;
  std::unique_ptr<Progress> progress_;
};

Run::Run(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table)
    : world_(world),
      config_(config),
      table_(table),
      lock_(claim_run(world, config)),
      session_(world, config),
      state_(session_.state()),
      validation_(session_.mesh(), config, session_.task()) {
  if (config.train.knn_every > 0) knn_.emplace(session_.mesh(), config, session_.task());
  state_.hyper_parameters = hyper_parameters(table);
  if (const std::uint64_t region = sampling::region_hash(config.sampling); region != 0) {
    state_.hyper_parameters.emplace_back("sampling.region's content", to_hex(region));
  }
}

void Run::start_or_resume() {
  const auto newest = config_.resume ? checkpoint::find_latest(world_, config_.output) : std::nullopt;
  if (config_.resume && !newest && !checkpoint::list(config_.output).empty()) {
    throw IntegrityError(
        "every checkpoint of the run is damaged",
        {"resume", config_.output,
         "the warnings above name each; restore one from a copy, or start anew in another --output"});
  }
  if (newest) {
    const checkpoint::Reader reader(*newest);
    const RunState saved = RunState::from_json(reader.meta(), reader.step(), newest->string());
    require_same_run(saved, state_, newest->string());
    restore_tensors(*newest, session_.state_tensors());
    state_.step = saved_step_ = saved.step;
    state_.replaced = saved.replaced;
    log::info("resuming {} after step {}", newest->string(), state_.step);
  } else if (!config_.init_from.empty()) {
    const checkpoint::InitReport report = session_.task().init_from(config_.init_from);
    log::info("weights from {}: {} tensors taken, {} left as initialised, {} not wanted", config_.init_from,
              report.loaded.size(), report.missing.size(), report.unexpected.size());
  }
}

void Run::describe() const {
  write_sampling_record(world_, config_.output, config_.corpus, session_.manifest(),
                        session_.feed().first_plan());
  if (world_.rank() != 0) return;
  const parallel::Mesh& mesh = session_.mesh();
  const BatchShape& shape = session_.shape();
  const std::int64_t weights = session_.parameters(), total_steps = session_.total_steps();
  log::info("{}; {} trained parameters on {}", session_.task().description(), weights, mesh.device().str());
  log::info("{} replicas share {} micro-batches of {} tiles; {} steps, {} an epoch", mesh.dp(),
            shape.micro_batches, shape.micro_batch_size, total_steps, state_.steps_per_epoch);
  if (mesh.tp() > 1) log::info("each replica is split over {} tensor-parallel ranks", mesh.tp());
  if (session_.gradients().sharded() && mesh.dp() > 1) {
    log::info("ZeRO-1: {} MiB of optimiser state on this rank", session_.optimiser().bytes() >> 20);
  }
  if (validation_.tiles() == 0) log::info("the corpus has no validation tiles: no validation loss");
  if (knn_ && !knn_->possible()) log::info("training or validation tiles have no class: no kNN");
  const std::filesystem::path run = config_.output;
  write_file_durably(run / "config.ini", table_.to_ini());
  Json about = session_.task().about();
  about["parameters"] = weights;
  about["steps"] = total_steps;
  about["steps_per_epoch"] = state_.steps_per_epoch;
  about["global_batch"] = shape.global_batch();
  about["replicas"] = mesh.dp();
  about["tensor_parallel"] = mesh.tp();
  about["zero"] = session_.gradients().sharded();
  about["bucket_bytes"] = session_.gradients().bucket_bytes();
  about["corpus"] = to_hex(session_.manifest().content);
  write_file_durably(run / "run.json", dump_json(about, 2) + "\n");
  // What normalised the input belongs to the weights: whoever uses them needs it.
  write_file_durably(run / "band_stats.json",
                     read_text(std::filesystem::path(config_.corpus) / "band_stats.json"));
}

void Run::step() {
  StepResult done = session_.step();
  done.phases.checkpoint = std::exchange(saving_, 0);
  if (metrics_) {
    Scalars values = session_.named_losses(done.losses);
    values.emplace_back("lr", done.rates.lr);
    values.emplace_back("gradient_norm", done.gradient_norm);
    for (const auto& scalar : session_.task().scalars()) values.push_back(scalar);
    values.emplace_back("epoch",
                        static_cast<double>(state_.step) / static_cast<double>(state_.steps_per_epoch));
    values.emplace_back("images_per_second",
                        static_cast<double>(session_.shape().global_batch()) / done.seconds);
    values.emplace_back("step_seconds", done.seconds);
    const StepPhases& phases = done.phases;
    values.emplace_back("compute_share", phases.compute / done.seconds);
    values.emplace_back("data_wait_share", phases.data_wait / done.seconds);
    values.emplace_back("communication_share", phases.communication_exposed / done.seconds);
    values.emplace_back("communication_hidden_share", phases.communication_hidden / done.seconds);
    values.emplace_back("checkpoint_share", phases.checkpoint / done.seconds);
    metrics_->write("train", state_.step, values);
  }
  progress_->note("loss " + std::to_string(done.losses[0]));
  progress_->set(static_cast<std::uint64_t>(state_.step));
}

void Run::validate() {
  if (validation_.tiles() == 0) return;
  const std::vector<double> losses = validation_.run();
  if (metrics_) metrics_->write("validation", state_.step, session_.named_losses(losses));
  log::info("step {}: validation loss {:.6f}", state_.step, losses[0]);
}

void Run::test_features() {
  if (!knn_ || !knn_->possible()) return;
  const double accuracy = knn_->run();
  if (metrics_) metrics_->write("knn", state_.step, {{"accuracy", accuracy}});
  log::info("step {}: kNN tells the {} of {:.1f} % of the validation tiles", state_.step, knn_->target(),
            100 * accuracy);
}

void Run::save() {
  if (saved_step_ == state_.step) return;
  const auto start = std::chrono::steady_clock::now();
  // Each replica knows the tiles that it had to replace; the checkpoint keeps all of them.
  Json mine = Json::array();
  for (const loader::Replacement& entry : state_.replaced) mine.push_back(loader::to_json(entry));
  RunState state = state_;
  state.replaced.clear();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (const std::string& text : world_.gather(mine.dump())) {
    for (const Json& json : parse_json(text)) {
      const loader::Replacement entry = loader::replacement_from_json(json, "a replica");
      const std::pair key(entry.epoch, entry.position);
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
      seen.push_back(key);
      state.replaced.push_back(entry);
    }
  }
  const auto path = checkpoint::save(world_, config_.output, state_.step, session_.state_tensors(),
                                     state.to_json(session_.mesh()));
  if (world_.rank() == 0) checkpoint::prune(config_.output, config_.checkpoint.keep);
  saved_step_ = state_.step;
  saving_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  log::info("step {}: checkpoint {}", state_.step, path.string());
}

ExitCode Run::go() {
  start_or_resume();
  describe();
  const std::int64_t total_steps = session_.total_steps();
  if (world_.rank() == 0) metrics_.emplace(config_.output, state_.step + 1);
  progress_ = std::make_unique<Progress>("pretrain", static_cast<std::uint64_t>(total_steps), "steps");
  progress_->set(static_cast<std::uint64_t>(state_.step));
  const std::int64_t last =
      config_.train.stop_after > 0 ? std::min(config_.train.stop_after, total_steps) : total_steps;
  while (state_.step < last && !stop_agreed_) {
    step();
    stop_agreed_ = world_.max(static_cast<int>(stop_.pending())) != 0;
    const auto due = [&](std::int64_t every) { return every > 0 && state_.step % every == 0; };
    if (due(config_.train.validate_every) && state_.step < total_steps) validate();
    if (due(config_.train.knn_every) && state_.step < total_steps) test_features();
    if (due(config_.checkpoint.every)) save();
  }
  save();
  if (state_.step < total_steps) {
    log::info("stopped {} after step {} of {}; --resume goes on",
              stop_agreed_ ? "on request" : "as train.stop_after says", state_.step, total_steps);
    return ExitCode::kStopped;
  }
  validate();
  test_features();
  return ExitCode::kDone;
}

/// Keeps freed memory in the process: a step's large tensors would otherwise be mapped, and their pages
/// faulted in, anew.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace

ExitCode pretrain(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table) {
  keep_freed_memory();
  at::set_num_threads(config.train.intra_op_threads);
  validate(config);
  auto agreed = table.values();
  mpi::require_agreement(world, agreed, "configuration");
  return Run(world, config, table).go();
}

}  // namespace terramill::train
