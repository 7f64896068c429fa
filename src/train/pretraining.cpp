#include "checkpointing.hpp"
#include "online_knn.hpp"
#include "run_folder.hpp"
#include "run_trace.hpp"
#include "sampling_record.hpp"
#include "session.hpp"
#include "step_vote.hpp"
#include "validation.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/fault/incidents.hpp>
#include <terramill/mpi/root_decision.hpp>
#include <terramill/train/metrics.hpp>
#include <terramill/train/pretraining.hpp>
#include <terramill/train/stop_request.hpp>
#include <terramill/train/stragglers.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <torch/torch.h>

namespace terramill::train {

namespace {

/// This replica's micro-batches over the mean of all replicas.
double share_of(const Session& session) {
  const int all = session.shape().micro_batches;
  return static_cast<double>(session.mesh().micro_batches(all).size() * session.mesh().dp()) / all;
}

/// "loss 2.1, 35 images/s, 0.12 TFLOP/s, MFU 31.2 %"; the last where it is known.
std::string progress_note(double loss, double images_per_second, double flops_per_second, double mfu) {
  char text[128];
  int length = std::snprintf(text, sizeof text, "loss %.6f, %.4g images/s, %.3g TFLOP/s", loss,
                             images_per_second, flops_per_second / 1e12);
  std::string note(text, static_cast<std::size_t>(length));
  if (!std::isfinite(mfu)) return note;
  length = std::snprintf(text, sizeof text, ", MFU %.1f %%", 100 * mfu);
  return note.append(text, static_cast<std::size_t>(length));
}

/// A file's hash, read by rank 0. Collective.
std::string content_of(const mpi::Communicator& world, const std::string& file) {
  std::string hash;
  mpi::on_root(world, [&] { hash = to_hex(xxh3_file(file)); });
  return world.broadcast(hash);
}

/// What rank 0 alone does for those who look on: training goes on without it.
template <typename F>
void unless_faulty(const char* attempted, F job) {
  try {
    job();
  } catch (const std::exception& error) {
    log::warn("cannot {}: {}", attempted, error.what());
  }
}

/// A pretraining run in its folder: from a fresh start or a checkpoint to the end or a stop.
class Run {
 public:
  Run(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table);
  ExitCode go();

 private:
  bool restore();
  void start_or_resume();
  void describe() const;
  bool step();
  void skip(const std::string& reason);
  void refuse(const StepResult& done);
  void corrupt(const Corruption& found);
  void roll_back(const std::string& kind, std::int64_t fault_step, const std::string& reason);
  Scalars numbers_of(const StepResult& done) const;
  double mfu_of(const StepResult& done) const;
  void watch(const StepResult& done);
  void validate();
  void test_features();

  const mpi::Communicator& world_;
  const PretrainConfig& config_;
  const OptionTable& table_;
  RunFolder folder_;
  Session session_;
  RunState& state_;
  Checkpointing checkpointing_;
  Validation validation_;
  std::optional<OnlineKnn> knn_;
  StopRequest stop_;
  std::optional<MetricsWriter> metrics_;
  std::optional<double> peak_;
  RunTrace trace_;
  StragglerWatch stragglers_;
  bool stop_agreed_ = false;
  double step_seconds_ = 0;  ///< of the last step
  fault::Incidents incidents_;
  std::unique_ptr<Progress> progress_;
};

Run::Run(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table)
    : world_(world),
      config_(config),
      table_(table),
      folder_(world, config),
      session_(world, config),
      state_(session_.state()),
      checkpointing_(config, session_, folder_.identity()),
      validation_(session_.mesh(), config, session_.task()),
      peak_(total_peak(session_, config)),
      trace_(world, config),
      stragglers_(world, config.straggler, share_of(session_)),
      incidents_(fault::parse_steps(config.fault.skip_batches), config.fault.max_skips) {
  if (config.train.knn_every > 0) knn_.emplace(session_.mesh(), config, session_.task());
  state_.hyper_parameters = hyper_parameters(table);
  // It counts what is in the plan, not where that lies.
  std::erase_if(state_.hyper_parameters, [](const auto& option) { return option.first == "plan"; });
  if (!config.plan.empty())
    state_.hyper_parameters.emplace_back(kPlanContent, content_of(world, config.plan));
  if (const std::uint64_t region = sampling::region_hash(config.sampling); region != 0) {
    state_.hyper_parameters.emplace_back("sampling.region's content", to_hex(region));
  }
}

/// Goes to the newest checkpoint; false where there is none.
bool Run::restore() {
  if (!checkpointing_.restore()) return false;
  incidents_.restore(state_.skipped);
  return true;
}

void Run::start_or_resume() {
  if (config_.resume && restore()) return;
  if (!config_.init_from.empty()) {
    // A run may go on meanwhile: all ranks take the same of its checkpoints.
    const std::filesystem::path source = checkpoint::find_weights(world_, config_.init_from);
    const checkpoint::InitReport report = session_.task().init_from(source.string());
    log::info("weights from {}: {} tensors taken, {} left as initialised, {} not wanted", source.string(),
              report.loaded.size(), report.missing.size(), report.unexpected.size());
  }
}

/// On rank 0.
void Run::describe() const {
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
  Json about = session_.task().about();
  about["parameters"] = weights;
  about["steps"] = total_steps;
  about["steps_per_epoch"] = state_.steps_per_epoch;
  about["global_batch"] = shape.global_batch();
  about["replicas"] = mesh.dp();
  about["tensor_parallel"] = mesh.tp();
  about["zero"] = session_.gradients().sharded();
  about["bucket_bytes"] = session_.gradients().bucket_bytes();
  about["peak_flops"] = peak_ ? Json(*peak_) : Json(nullptr);
  about["corpus"] = to_hex(session_.manifest().content);
  folder_.describe(table_.to_ini(), std::move(about), config_.corpus);
}

double Run::mfu_of(const StepResult& done) const {
  return done.flops / done.seconds / peak_.value_or(std::numeric_limits<double>::quiet_NaN());
}

Scalars Run::numbers_of(const StepResult& done) const {
  Scalars values = session_.named_losses(done.losses);
  values.emplace_back("lr", done.rates.lr);
  values.emplace_back("gradient_norm", done.gradient_norm);
  for (const auto& scalar : session_.task().scalars()) values.push_back(scalar);
  values.emplace_back("epoch",
                      static_cast<double>(state_.step) / static_cast<double>(state_.steps_per_epoch));
  values.emplace_back("images_per_second",
                      static_cast<double>(session_.shape().global_batch()) / done.seconds);
  values.emplace_back("tflops_per_second", done.flops / done.seconds / 1e12);
  if (peak_) values.emplace_back("mfu", mfu_of(done));
  values.emplace_back("step_seconds", done.seconds);
  const StepPhases& phases = done.phases;
  values.emplace_back("compute_share", phases.compute / done.seconds);
  values.emplace_back("data_wait_share", phases.data_wait / done.seconds);
  values.emplace_back("communication_share", phases.communication_exposed / done.seconds);
  values.emplace_back("communication_hidden_share", phases.communication_hidden / done.seconds);
  values.emplace_back("checkpoint_share", phases.checkpoint / done.seconds);
  return values;
}

/// One step further; false where the run rolled back instead.
bool Run::step() {
  trace_.before_step();
  if (incidents_.skips(state_.step + 1)) {
    skip("as fault.skip_batches says, or as before");
    return true;
  }
  StepResult done = session_.try_step();
  if (!done.refusal.empty()) {
    const std::int64_t before = state_.step;
    refuse(done);
    return state_.step == before + 1;
  }
  incidents_.accept(state_.step);
  done.phases.checkpoint = checkpointing_.take_stall();
  if (metrics_) metrics_->write("train", state_.step, numbers_of(done));
  watch(done);
  progress_->note(progress_note(done.losses[0],
                                static_cast<double>(session_.shape().global_batch()) / done.seconds,
                                done.flops / done.seconds, mfu_of(done)));
  progress_->set(static_cast<std::uint64_t>(state_.step));
  step_seconds_ = done.seconds;
  return true;
}

void Run::skip(const std::string& reason) {
  session_.skip_step();
  progress_->set(static_cast<std::uint64_t>(state_.step));
  if (!metrics_) return;
  log::warn("step {}: its batch is skipped, {}", state_.step, reason);
  metrics_->note("skip", state_.step, {{"reason", reason}});
}

/// A step that was not made: back to the newest checkpoint, or past its batch where that was tried before.
void Run::refuse(const StepResult& done) {
  const std::int64_t step = state_.step + 1;
  if (done.corrupt_rank < 0 && !config_.fault.guard) session_.end_by(done);
  if (done.corrupt_rank >= 0) {
    corrupt(name_corruption(world_, {done.corrupt_rank}));
  } else if (incidents_.unstable(step, done.refusal) == fault::Incidents::Next::kSkip) {
    skip("since " + done.refusal + " again, from the same state");
  } else {
    roll_back("rollback", step, done.refusal);
  }
}

void Run::corrupt(const Corruption& found) {
  if (world_.rank() == 0) {
    const std::filesystem::path folder = std::filesystem::path(config_.output) / "faults";
    const Json json = {{"step", state_.step}, {"ranks", found.ranks}, {"hosts", found.hosts}};
    unless_faulty("say whose state it was", [&] {
      std::filesystem::create_directories(folder);
      write_file_durably(folder / "corrupt.json", dump_json(json) + "\n");
    });
  }
  incidents_.corrupt(state_.step, found.text);
  roll_back("corruption", state_.step, found.text);
}

void Run::roll_back(const std::string& kind, std::int64_t fault_step, const std::string& reason) {
  if (!restore()) {
    throw Error("there is no checkpoint to go back to",
                {"roll back", reason, "resume from a copy of the run"});
  }
  session_.restored();
  progress_->set(static_cast<std::uint64_t>(state_.step));
  if (world_.rank() != 0) return;
  log::warn("step {}: {}; back to the newest checkpoint, of step {}", fault_step, reason, state_.step);
  metrics_->go_back_to(state_.step + 1);
  metrics_->note(kind, state_.step, {{"fault_step", fault_step}, {"reason", reason}});
}

void Run::watch(const StepResult& done) {
  const auto found =
      stragglers_.after_step(state_.step, done.seconds, done.phases, checkpointing_.take_own_work());
  if (!found || !metrics_) return;
  metrics_->note("straggler", state_.step, found->json());
  log::warn("{}", found->text());
}

void Run::validate() {
  if (validation_.tiles() == 0) return;
  const trace::Span span("validation", "validation");
  const std::vector<double> losses = validation_.run();
  if (metrics_) metrics_->write("validation", state_.step, session_.named_losses(losses));
  log::info("step {}: validation loss {:.6f}", state_.step, losses[0]);
}

void Run::test_features() {
  if (!knn_ || !knn_->possible()) return;
  const trace::Span span("kNN", "validation");
  const double accuracy = knn_->run();
  if (metrics_) metrics_->write("knn", state_.step, {{"accuracy", accuracy}});
  log::info("step {}: kNN tells the {} of {:.1f} % of the validation tiles", state_.step, knn_->target(),
            100 * accuracy);
}

ExitCode Run::go() {
  start_or_resume();
  // The same number of steps were made before: what the run then wrote stands.
  if (config_.resume && state_.step >= session_.total_steps() && folder_.finished()) {
    log::info("{} is finished: all {} steps are made; nothing is left to do", config_.output, state_.step);
    return ExitCode::kDone;
  }
  write_sampling_record(world_, config_.output, config_.corpus, session_.manifest(),
                        session_.feed().first_plan());
  mpi::on_root(world_, [&] { describe(); });
  require_memory(world_, session_.mesh().device(), session_.memory(), config_.train.ignore_memory_estimate);
  const std::int64_t total_steps = session_.total_steps();
  // A run that was killed after its last checkpoint evaluates it again.
  if (world_.rank() == 0) metrics_.emplace(config_.output, state_.step + 1, state_.step == total_steps);
  progress_ = std::make_unique<Progress>("pretrain", static_cast<std::uint64_t>(total_steps), "steps");
  progress_->set(static_cast<std::uint64_t>(state_.step));
  const std::int64_t last =
      config_.train.stop_after > 0 ? std::min(config_.train.stop_after, total_steps) : total_steps;
  const bool may_roll_back =
      config_.fault.guard || config_.fault.hash_every > 0 || config_.fault.compare_every > 0;
  if (may_roll_back && state_.step == 0) checkpointing_.finish();  // to go back to
  while (state_.step < last && !stop_agreed_) {
    if (!step()) continue;
    const auto due = [&](std::int64_t every) { return every > 0 && state_.step % every == 0; };
    using Field = StepVote::Field;
    StepVote vote;
    vote.say(Field::kStop, static_cast<int>(stop_.pending()));
    vote.say(Field::kReplaced, static_cast<int>(session_.replaced_tiles()));
    checkpointing_.want(step_seconds_, vote);
    vote.agree(world_);
    if (vote[Field::kReplaced] != 0) session_.check_bad_rate();
    if (due(config_.train.validate_every) && state_.step < total_steps) validate();
    if (due(config_.train.knn_every) && state_.step < total_steps) test_features();
    const bool keeps = Checkpointing::saves(vote) || vote[Field::kStop] != 0 || state_.step == last;
    const FaultOptions& checks = config_.fault;  // last of all: what is saved is what was checked
    if ((checks.compare_every > 0 && (keeps || due(checks.compare_every))) ||
        (checks.hash_every > 0 && keeps)) {
      if (const auto found = session_.corruption()) {
        corrupt(*found);
        continue;
      }
    }
    stop_agreed_ = vote[Field::kStop] != 0;
    checkpointing_.after(vote);
  }
  checkpointing_.finish();
  if (state_.step < total_steps) {
    log::info("stopped {} after step {} of {}; --resume goes on",
              stop_agreed_ ? "on request" : "as train.stop_after says", state_.step, total_steps);
    trace_.finish();
    return ExitCode::kStopped;
  }
  validate();
  test_features();
  if (world_.rank() == 0) unless_faulty("note the end in run.json", [&] { folder_.note_end(); });
  trace_.finish();
  return ExitCode::kDone;
}

}  // namespace

ExitCode pretrain(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table) {
  validate(config);
  prepare_process(config);
  auto agreed = table.values();
  for (auto& [name, value] : agreed) {  // these may differ from node to node
    if (name == "checkpoint.failure_group") value.clear();
    if (name == "checkpoint.local" && !value.empty()) value = "a folder";
  }
  mpi::require_agreement(world, agreed, "configuration");
  return Run(world, config, table).go();
}

}  // namespace terramill::train
