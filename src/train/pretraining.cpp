#include "mpmae_training.hpp"
#include "online_knn.hpp"
#include "run_state.hpp"
#include "sampling_record.hpp"
#include "terrafm_training.hpp"
#include "validation.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/parallel/adamw.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/train/epoch_feed.hpp>
#include <terramill/train/metrics.hpp>
#include <terramill/train/pretraining.hpp>
#include <terramill/train/stop_request.hpp>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>

#include <malloc.h>
#include <torch/torch.h>

namespace terramill::train {

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

loader::LoaderOptions with_crop(loader::LoaderOptions options, int crop) {
  options.crop_size = crop;
  return options;
}

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

std::unique_ptr<Task> make_task(const parallel::Mesh& mesh, const PretrainConfig& config,
                                const corpus::Manifest& manifest, at::ScalarType dtype) {
  const std::vector<std::uint64_t> tiles = tiles_per_modality(mesh.world(), config.corpus, manifest);
  if (config.model.family == "terrafm") {
    return std::make_unique<TerrafmTask>(mesh, config, fit_terrafm(config, manifest, tiles), dtype);
  }
  return std::make_unique<MpmaeTask>(mesh, config, fit_to_corpus(config.model, manifest, tiles), dtype);
}

std::vector<parallel::ParameterGroup> without_empty(std::vector<parallel::ParameterGroup> groups) {
  std::erase_if(groups, [](const parallel::ParameterGroup& group) { return group.parameters.empty(); });
  return groups;
}

/// One pretraining session: from a fresh start or a checkpoint to the end or a stop.
class Session {
 public:
  Session(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table);
  ExitCode run();

 private:
  void start_or_resume();
  void describe() const;
  void step();
  void validate();
  void test_features();
  void save();
  Scalars named_losses(const std::vector<double>& losses) const;
  std::vector<parallel::NamedTensor> state_tensors() const;

  const mpi::Communicator& world_;
  const PretrainConfig& config_;
  const OptionTable& table_;
  std::optional<DirectoryLock> lock_;
  at::ScalarType dtype_;
  parallel::Mesh mesh_;
  corpus::Manifest manifest_;
  std::unique_ptr<Task> task_;
  loader::Loader loader_;
  BatchShape shape_;
  EpochFeed feed_;
  parallel::GradientBuffer gradients_;
  parallel::AdamW optimiser_;
  Validation validation_;
  std::optional<OnlineKnn> knn_;
  StopRequest stop_;
  std::optional<MetricsWriter> metrics_;
  RunState state_;
  std::int64_t total_steps_ = 0, saved_step_ = -1;
  std::optional<std::uint64_t> fed_epoch_;  ///< the epoch that feed_ is in
  bool stop_agreed_ = false;
  std::unique_ptr<Progress> progress_;
};

std::uint64_t seed_of(const PretrainConfig& config) { return static_cast<std::uint64_t>(config.train.seed); }

Session::Session(const mpi::Communicator& world, const PretrainConfig& config, const OptionTable& table)
    : world_(world),
      config_(config),
      table_(table),
      lock_(claim_run(world, config)),
      dtype_(config.train.precision == "float64" ? at::kDouble : at::kFloat),
      mesh_(world, parallel::select_device(config.train.device, world)),
      manifest_(corpus::read_manifest(config.corpus)),
      task_(make_task(mesh_, config, manifest_, dtype_)),
      loader_(config.corpus, task_->requests(), with_crop(config.loader, task_->window())),
      shape_{config.train.micro_batch_size, config.train.micro_batches},
      feed_(mesh_.dp_comm(), config.corpus, loader_, config.sampling, config.plan, shape_, seed_of(config)),
      gradients_(mesh_, without_empty(task_->groups()), parallel::parse_reduction(config.train.reduction)),
      optimiser_(gradients_,
                 {config.train.beta1, config.train.beta2, config.train.epsilon, config.train.weight_decay}),
      validation_(mesh_, config, *task_) {
  const TrainOptions& t = config.train;
  if (t.knn_every > 0) knn_.emplace(mesh_, config, *task_);
  const auto per_epoch = static_cast<double>(feed_.steps_per_epoch());
  total_steps_ = t.steps > 0 ? t.steps : std::llround(t.epochs * per_epoch);
  task_->set_length(total_steps_, static_cast<std::int64_t>(feed_.steps_per_epoch()));
  state_.steps_per_epoch = feed_.steps_per_epoch();
  state_.corpus_content = manifest_.content;
  state_.hyper_parameters = hyper_parameters(table);
  if (const std::uint64_t region = sampling::region_hash(config.sampling); region != 0) {
    state_.hyper_parameters.emplace_back("sampling.region's content", to_hex(region));
  }
}

void Session::start_or_resume() {
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
    restore_tensors(*newest, state_tensors());
    state_.step = saved_step_ = saved.step;
    state_.replaced = saved.replaced;
    log::info("resuming {} after step {}", newest->string(), state_.step);
  } else if (!config_.init_from.empty()) {
    const checkpoint::InitReport report = task_->init_from(config_.init_from);
    log::info("weights from {}: {} tensors taken, {} left as initialised, {} not wanted", config_.init_from,
              report.loaded.size(), report.missing.size(), report.unexpected.size());
  }
}

std::vector<parallel::NamedTensor> Session::state_tensors() const {
  std::vector<parallel::NamedTensor> tensors = task_->state();
  for (parallel::NamedTensor& entry : optimiser_.state()) tensors.push_back(std::move(entry));
  return tensors;
}

void Session::describe() const {
  write_sampling_record(world_, config_.output, config_.corpus, manifest_, feed_.first_plan());
  if (world_.rank() != 0) return;
  std::int64_t weights = 0;
  for (std::size_t i = 0; i < gradients_.size(); ++i) weights += gradients_.parameter(i).second.numel();
  log::info("{}; {} trained parameters on {}", task_->description(), weights, mesh_.device().str());
  log::info("{} replicas share {} micro-batches of {} tiles; {} steps, {} an epoch", mesh_.dp(),
            shape_.micro_batches, shape_.micro_batch_size, total_steps_, state_.steps_per_epoch);
  if (validation_.tiles() == 0) log::info("the corpus has no validation tiles: no validation loss");
  if (knn_ && !knn_->possible()) log::info("training or validation tiles have no class: no kNN");
  const std::filesystem::path run = config_.output;
  write_file_durably(run / "config.ini", table_.to_ini());
  Json about = task_->about();
  about["parameters"] = weights;
  about["steps"] = total_steps_;
  about["steps_per_epoch"] = state_.steps_per_epoch;
  about["global_batch"] = shape_.global_batch();
  about["replicas"] = mesh_.dp();
  about["corpus"] = to_hex(manifest_.content);
  write_file_durably(run / "run.json", dump_json(about, 2) + "\n");
  // What normalised the input belongs to the weights: whoever uses them needs it.
  write_file_durably(run / "band_stats.json",
                     read_text(std::filesystem::path(config_.corpus) / "band_stats.json"));
}

Scalars Session::named_losses(const std::vector<double>& losses) const {
  const std::vector<std::string> names = task_->losses();
  Scalars values;
  for (std::size_t i = 0; i < names.size(); ++i) values.emplace_back(names[i], losses.at(i));
  return values;
}

void Session::step() {
  const auto start = Clock::now();
  const double waited = loader_.waited();
  const auto done = static_cast<std::uint64_t>(state_.step);
  const std::uint64_t epoch = done / state_.steps_per_epoch, within = done % state_.steps_per_epoch;
  if (fed_epoch_ != epoch) {
    if (within == 0) state_.replaced.clear();
    feed_.start(epoch, within, state_.replaced);
    fed_epoch_ = epoch;
  }
  const parallel::MicroBatchRange range = mesh_.micro_batches(shape_.micro_batches);
  const std::size_t width = task_->losses().size();
  std::vector<double> mine;  // the losses of each micro-batch
  gradients_.begin_step(shape_.micro_batches);
  task_->begin_step(shape_.micro_batches);
  for (int m = range.begin; m < range.end; ++m) {
    const loader::MicroBatch loaded = feed_.next();
    gradients_.begin_micro_batch(m);
    const std::vector<double> losses = task_->train(loaded, {state_.step, epoch, m});
    gradients_.end_micro_batch();
    mine.insert(mine.end(), losses.begin(), losses.end());
  }
  gradients_.finish_step();

  const std::vector<double> all = mesh_.dp_comm().all_gather(std::span<const double>(mine));
  std::vector<double> losses(width, 0);
  for (std::size_t row = 0; row < all.size(); row += width) {
    for (std::size_t i = 0; i < width; ++i) losses[i] += all[row + i];
  }
  for (double& value : losses) value /= shape_.micro_batches;
  const double norm = gradients_.norm();
  if (!std::isfinite(losses[0]) || !std::isfinite(norm)) {
    std::string parts;
    for (const auto& [name, value] : named_losses(losses)) parts += " " + name + "=" + std::to_string(value);
    throw Error("step " + std::to_string(state_.step + 1) + " is not finite:" + parts +
                    " gradient_norm=" + std::to_string(norm),
                {"train", config_.output,
                 "resume from the newest checkpoint with a lower train.lr, or look at the corpus"});
  }
  const UpdateRates rates = task_->before_update(gradients_, state_.step);
  optimiser_.step(rates.lr, rates.weight_decay);
  task_->after_update(state_.step);
  ++state_.step;
  for (const loader::Replacement& entry : loader_.replacements()) {
    const auto same = [&](const loader::Replacement& known) {
      return known.epoch == entry.epoch && known.position == entry.position;
    };
    if (std::none_of(state_.replaced.begin(), state_.replaced.end(), same)) {
      log::warn("tile replaced at epoch {}, position {}: {}", entry.epoch, entry.position, entry.reason);
      state_.replaced.push_back(entry);
    }
  }
  const double seconds = seconds_since(start);
  if (metrics_) {
    Scalars values = named_losses(losses);
    values.emplace_back("lr", rates.lr);
    values.emplace_back("gradient_norm", norm);
    for (const auto& scalar : task_->scalars()) values.push_back(scalar);
    values.emplace_back("epoch",
                        static_cast<double>(state_.step) / static_cast<double>(state_.steps_per_epoch));
    values.emplace_back("images_per_second", static_cast<double>(shape_.global_batch()) / seconds);
    values.emplace_back("step_seconds", seconds);
    values.emplace_back("data_wait_share", (loader_.waited() - waited) / seconds);
    values.emplace_back("communication_share", gradients_.exposed_seconds() / seconds);
    metrics_->write("train", state_.step, values);
  }
  progress_->note("loss " + std::to_string(losses[0]));
  progress_->set(static_cast<std::uint64_t>(state_.step));
}

void Session::validate() {
  if (validation_.tiles() == 0) return;
  const std::vector<double> losses = validation_.run();
  if (metrics_) metrics_->write("validation", state_.step, named_losses(losses));
  log::info("step {}: validation loss {:.6f}", state_.step, losses[0]);
}

void Session::test_features() {
  if (!knn_ || !knn_->possible()) return;
  const double accuracy = knn_->run();
  if (metrics_) metrics_->write("knn", state_.step, {{"accuracy", accuracy}});
  log::info("step {}: kNN tells the {} of {:.1f} % of the validation tiles", state_.step, knn_->target(),
            100 * accuracy);
}

void Session::save() {
  if (saved_step_ == state_.step) return;
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
  const auto path =
      checkpoint::save(world_, config_.output, state_.step, state_tensors(), state.to_json(world_));
  if (world_.rank() == 0) checkpoint::prune(config_.output, config_.checkpoint.keep);
  saved_step_ = state_.step;
  log::info("step {}: checkpoint {}", state_.step, path.string());
}

ExitCode Session::run() {
  start_or_resume();
  describe();
  if (world_.rank() == 0) metrics_.emplace(config_.output, state_.step + 1);
  progress_ = std::make_unique<Progress>("pretrain", static_cast<std::uint64_t>(total_steps_), "steps");
  progress_->set(static_cast<std::uint64_t>(state_.step));
  const std::int64_t last =
      config_.train.stop_after > 0 ? std::min(config_.train.stop_after, total_steps_) : total_steps_;
  while (state_.step < last && !stop_agreed_) {
    step();
    stop_agreed_ = world_.max(static_cast<int>(stop_.pending())) != 0;
    const auto due = [&](std::int64_t every) { return every > 0 && state_.step % every == 0; };
    if (due(config_.train.validate_every) && state_.step < total_steps_) validate();
    if (due(config_.train.knn_every) && state_.step < total_steps_) test_features();
    if (due(config_.checkpoint.every)) save();
  }
  save();
  if (state_.step < total_steps_) {
    log::info("stopped {} after step {} of {}; --resume goes on",
              stop_agreed_ ? "on request" : "as train.stop_after says", state_.step, total_steps_);
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
  return Session(world, config, table).run();
}

}  // namespace terramill::train
