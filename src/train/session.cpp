#include "session.hpp"

#include "bad_rate.hpp"
#include "mpmae_training.hpp"
#include "poison.hpp"
#include "terrafm_training.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/parallel/bucket_size.hpp>
#include <terramill/parallel/deterministic.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/device_peak.hpp>
#include <terramill/train/staging.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

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

std::unique_ptr<Task> make_task(const parallel::Mesh& mesh, const PretrainConfig& config,
                                const corpus::Manifest& manifest, at::ScalarType dtype) {
  const std::vector<std::uint64_t> tiles = tiles_per_modality(mesh.world(), config.corpus, manifest);
  if (config.model.family == "terrafm") {
    return std::make_unique<TerrafmTask>(mesh, config, fit_terrafm(config, manifest, tiles), dtype);
  }
  return std::make_unique<MpmaeTask>(mesh, config, fit_to_corpus(config.model, manifest, tiles), dtype);
}

parallel::ReductionOptions reduction_of(const TrainOptions& options, std::int64_t bucket_bytes) {
  return {parallel::parse_reduction(options.reduction), options.zero, bucket_bytes,
          options.reduction_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat};
}

/// Tensor-parallel ranks load the same tiles each by itself: one that had to replace a tile that the others
/// could read would compute with them on different input.
void require_same_tiles(const parallel::Mesh& mesh, const loader::MicroBatch& loaded) {
  if (mesh.tp() == 1) return;
  const std::uint64_t hash = xxh3(std::as_bytes(std::span(loaded.tile_keys)));
  if (mesh.tp_comm().min(hash) == mesh.tp_comm().max(hash)) return;
  throw IoError("tensor-parallel ranks loaded different tiles: a chunk could be read by some of them only",
                EIO,
                {"load a micro-batch", "positions from " + std::to_string(loaded.positions.front()),
                 "look for I/O errors of the node in the log, and resume from the newest checkpoint"});
}

/// NCCL's groups learn at their making whether they must repeat their bits.
c10::Device device_of(const mpi::Communicator& world, const TrainOptions& options) {
  const c10::Device device = parallel::select_device(options.device, world);
  if (options.deterministic) parallel::require_determinism(device);
  return device;
}

parallel::NcclOptions nccl_of(const PretrainConfig& config, c10::Device device) {
  const TrainOptions& t = config.train;
  const std::filesystem::path run(config.output);
  // NCCL ends a process without a word on what it was doing: the watchdog goes first.
  constexpr double kYear = 365.0 * 24 * 3600;
  const double limit = config.fault.limit > 0 ? std::min(2 * config.fault.limit, kYear) : kYear;
  const double seconds = t.collective_timeout > 0 ? t.collective_timeout : device.is_cuda() ? limit : 0;
  return {std::chrono::seconds(static_cast<std::int64_t>(seconds)), t.flight_recorder,
          config.output.empty() ? run : run / "flight-recorder", t.nan_check};
}

parallel::Mesh mesh_of(const mpi::Communicator& world, const PretrainConfig& config) {
  const c10::Device device = device_of(world, config.train);
  return {world, device, config.train.tp, nccl_of(config, device)};
}

std::uint64_t seed_of(const PretrainConfig& config) { return static_cast<std::uint64_t>(config.train.seed); }

}  // namespace

void prepare_process(const PretrainConfig& config) {
  at::set_num_threads(config.train.intra_op_threads);
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

Session::Session(const mpi::Communicator& world, const PretrainConfig& config)
    : config_(config),
      dtype_(config.train.precision == "float64" ? at::kDouble : at::kFloat),
      mesh_(mesh_of(world, config)),
      manifest_(corpus::read_manifest(config.corpus)),
      task_(make_task(mesh_, config, manifest_, dtype_)),
      placements_(task_->placements()),
      loader_(config.corpus, task_->requests(), with_crop(config.loader, task_->window()),
              memory_for(mesh_.device())),
      shape_{config.train.micro_batch_size, config.train.micro_batches},
      feed_(mesh_.dp_comm(), config.corpus, loader_, config.sampling, config.plan, shape_, seed_of(config)),
      gradients_(mesh_, parallel::by_sharing(task_->groups(), placements_),
                 reduction_of(config.train, parallel::bucket_bytes(mesh_, config.train.bucket))),
      optimiser_(gradients_,
                 {config.train.beta1, config.train.beta2, config.train.epsilon, config.train.weight_decay}),
      guard_(config.fault.spikes) {
  const TrainOptions& t = config.train;
  const auto per_epoch = static_cast<double>(feed_.steps_per_epoch());
  total_steps_ = t.steps > 0 ? t.steps : std::llround(t.epochs * per_epoch);
  task_->set_length(total_steps_, static_cast<std::int64_t>(feed_.steps_per_epoch()));
  task_->set_gate([this](const at::Tensor& parameter) { optimiser_.wait_for(parameter); });
  state_.steps_per_epoch = feed_.steps_per_epoch();
  state_.corpus_content = manifest_.content;
  if (!config.fault.sample_log.empty() && mesh_.tp_rank() == 0) {
    samples_.emplace(config.fault.sample_log, mesh_.replica());
  }
}

std::vector<checkpoint::StateTensor> Session::state_tensors() {
  task_->settle();
  optimiser_.wait_for_all();
  const mpi::Communicator& world = mesh_.world();
  using checkpoint::Holders;
  const Holders all{Holders::Set::kAll, world.rank(), world.size()};
  const Holders replicas{Holders::Set::kReplicas, mesh_.replica(), mesh_.dp()};
  const Holders tensor_group{Holders::Set::kTensorGroup, mesh_.tp_rank(), mesh_.tp()};
  const auto is_split = [](const parallel::Placement* placement) { return placement && placement->split(); };
  std::vector<checkpoint::StateTensor> state;
  for (const auto& [name, tensor] : task_->state()) {
    const parallel::Placement* placement = parallel::find(placements_, name);
    if (placement == nullptr) placement = parallel::find(placements_, name.substr(name.find('.') + 1));
    state.push_back(checkpoint::placed_state(name, tensor, placement, is_split(placement) ? replicas : all));
  }
  // Moments that replicas share among themselves are held by no other replica.
  const auto& moments = optimiser_.moments();
  for (std::size_t i = 0, next = 0; i < gradients_.size(); ++i) {
    const auto& [name, parameter] = gradients_.parameter(i);
    const parallel::Placement* placement = parallel::find(placements_, name);
    const bool split = is_split(placement);
    const Holders holders = gradients_.sharded() ? (split ? Holders() : tensor_group)
                            : split              ? replicas
                                                 : all;
    const at::ScalarType type = parameter.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const std::vector<std::int64_t> shape = split ? placement->shape : parameter.sizes().vec();
    checkpoint::StateTensor m{"adam.m." + name, type, shape, holders, {}};
    checkpoint::StateTensor v{"adam.v." + name, type, shape, holders, {}};
    for (; next < moments.size() && moments[next].parameter == i; ++next) {
      m.add(placement, moments[next].begin, moments[next].m);
      v.add(placement, moments[next].begin, moments[next].v);
    }
    state.push_back(std::move(m));
    state.push_back(std::move(v));
    state.push_back(checkpoint::whole_state({"adam.step." + name, optimiser_.steps(i)}, all));
  }
  return state;
}

MemoryEstimate Session::memory() const {
  MemoryEstimate estimate =
      estimate_memory(gradients_, optimiser_, task_->state(),
                      reduction_of(config_.train, gradients_.bucket_bytes()), shape_.micro_batches);
  estimate.activations = task_->activation_bytes();
  estimate.input = static_cast<std::int64_t>(loader_.buffer_bytes(shape_.micro_batch_size));
  // Of what replicas hold alike each copies its part.
  const std::int64_t alike =
      estimate.parameters + estimate.others + (gradients_.sharded() ? 0 : estimate.moments);
  estimate.snapshot = alike / mesh_.dp() + (gradients_.sharded() ? estimate.moments : 0);
  return estimate;
}

std::int64_t Session::parameters() const {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    const auto& [name, parameter] = gradients_.parameter(i);
    const parallel::Placement* placement = parallel::find(placements_, name);
    std::int64_t own = parameter.numel();
    if (placement != nullptr && placement->split()) {
      own = std::accumulate(placement->shape.begin(), placement->shape.end(), std::int64_t{1},
                            std::multiplies<>());
    }
    count += own;
  }
  return count;
}

Scalars Session::named_losses(const std::vector<double>& losses) const {
  const std::vector<std::string> names = task_->losses();
  Scalars values;
  for (std::size_t i = 0; i < names.size(); ++i) values.emplace_back(names[i], losses.at(i));
  return values;
}

void Session::start_epoch() {
  const auto done = static_cast<std::uint64_t>(state_.step);
  const std::uint64_t epoch = done / state_.steps_per_epoch, within = done % state_.steps_per_epoch;
  if (fed_epoch_ == epoch && fed_step_ == state_.step) return;
  if (within == 0) state_.replaced.clear();
  const PhaseTimer plans(Phase::kDataWait);
  const trace::Span span("plan epoch", "data");
  feed_.start(epoch, within, state_.replaced);
  known_ = counted_ = state_.replaced.size();
  fed_epoch_ = epoch;
  fed_step_ = state_.step;
}

loader::MicroBatch Session::next_batch(int micro_batch, bool skipped) {
  loader::MicroBatch loaded = feed_.next();
  if (samples_) samples_->write(state_.step + 1, fed_epoch_.value(), micro_batch, skipped, loaded);
  return loaded;
}

void Session::note_replacements() {
  for (const loader::Replacement& entry : loader_.replacements()) {
    const auto same = [&](const loader::Replacement& known) {
      return known.epoch == entry.epoch && known.position == entry.position;
    };
    if (std::none_of(state_.replaced.begin(), state_.replaced.end(), same)) {
      log::warn("tile replaced at epoch {}, position {}: {}", entry.epoch, entry.position, entry.reason);
      state_.replaced.push_back(entry);
    }
  }
}

void Session::check_bad_rate() {
  counted_ = state_.replaced.size();
  const std::uint64_t replaced = known_ + mesh_.dp_comm().sum<std::uint64_t>(counted_ - known_);
  require_bad_rate(mesh_.dp_comm(), replaced, state_.steps_per_epoch * shape_.global_batch(),
                   config_.loader.max_bad_rate, state_.replaced);
}

std::vector<double> Session::gather(const std::vector<double>& mine) const {
  const PhaseTimer waits(Phase::kExposed);
  const trace::Span span("gather losses", "communication");
  return mesh_.dp_comm().all_gather(std::span<const double>(mine));
}

void Session::update(const UpdateRates& rates) {
  {
    const trace::Span span("optimiser", "compute");
    optimiser_.step(rates.lr, rates.weight_decay);
  }
  const trace::Span span("after update", "compute");
  task_->after_update(state_.step);
}

/// The largest of the ranks' verdicts: none updates what another refuses.
std::int32_t Session::agree(std::int32_t verdict) const {
  const PhaseTimer waits(Phase::kExposed);
  const trace::Span span("agree on the step", "communication");
  return mesh_.world().max(verdict);
}

void Session::after_step(const StepResult& done) {
  ++state_.step;
  note_replacements();
  guard_.accept(state_.accepted, done.losses[0], done.gradient_norm);
  sealed_.reset();
  const std::int64_t every = config_.fault.hash_every;
  if (every > 0 && state_.step % every == 0) sealed_ = hash_state(state_tensors()).all;
  if (fault::strikes(fault::Kind::kBitflip, state_.step)) {
    optimiser_.wait_for_all();
    flip_bit(gradients_);
  }
}

void Session::skip_step() {
  if (fed_step_ != state_.step + 1) {
    start_epoch();
    const parallel::MicroBatchRange range = mesh_.micro_batches(shape_.micro_batches);
    for (int m = range.begin; m < range.end; ++m) next_batch(m, true);
    ++fed_step_;
  }
  ++state_.step;
  state_.skipped.insert(state_.step);
  note_replacements();
}

void Session::restored() {
  sealed_.reset();
  fed_epoch_.reset();  // what was replaced, and what of it is counted, is of the state before
  fed_step_ = -1;
}

std::optional<Corruption> Session::corruption() {
  const StateHashes hashes = hash_state(state_tensors());
  return find_corruption(mesh_, hashes.replicated, sealed_ && *sealed_ != hashes.all);
}

StepResult Session::step() {
  StepResult done = try_step();
  if (!done.refusal.empty()) end_by(done);
  return done;
}

void Session::end_by(const StepResult& refused) const {
  std::string parts;
  for (const auto& [name, value] : named_losses(refused.losses))
    parts += " " + name + "=" + std::to_string(value);
  throw Error("step " + std::to_string(state_.step + 1) + " must not count, since " + refused.refusal + ":" +
                  parts + " gradient_norm=" + std::to_string(refused.gradient_norm),
              {"train", config_.output,
               "look at the corpus; resume with --fault.skip_batches " + std::to_string(state_.step + 1) +
                   ", or start a new run with --init-from and a lower train.lr"});
}

StepResult Session::try_step() {
  const auto start = Clock::now();
  const PhaseSeconds before = phase_seconds();
  trace::Span span("step", "step");
  span.with("step", state_.step + 1);
  fault_points::begin_unit(state_.step + 1);
  start_epoch();
  const std::uint64_t epoch = fed_epoch_.value();
  const parallel::MicroBatchRange range = mesh_.micro_batches(shape_.micro_batches);
  const std::size_t width = task_->losses().size();
  std::vector<double> mine;  // the losses of each micro-batch, and its operations
  gradients_.begin_step(shape_.micro_batches);
  task_->begin_step(shape_.micro_batches);
  // A GPU computes one micro-batch while the next is copied.
  const bool ahead = mesh_.device().is_cuda();
  std::optional<loader::MicroBatch> next;
  for (int m = range.begin; m < range.end; ++m) {
    const loader::MicroBatch loaded = next ? *std::exchange(next, std::nullopt) : next_batch(m, false);
    if (ahead && m + 1 < range.end) task_->stage(next.emplace(next_batch(m + 1, false)));
    require_same_tiles(mesh_, loaded);
    gradients_.begin_micro_batch(m);
    trace::Span part("micro-batch", "compute");
    part.with("index", m);
    const std::vector<double> losses = task_->train(loaded, {state_.step, epoch, m});
    gradients_.end_micro_batch();
    mine.insert(mine.end(), losses.begin(), losses.end());
    mine.push_back(task_->flops().total());
  }
  gradients_.finish_step();
  fed_step_ = state_.step + 1;
  if (fault::strikes(fault::Kind::kNan, state_.step + 1)) poison_gradient(gradients_);

  StepResult result;
  const std::vector<double> all = gather(mine);
  result.losses.assign(width, 0);
  for (std::size_t row = 0; row < all.size(); row += width + 1) {
    for (std::size_t i = 0; i < width; ++i) result.losses[i] += all[row + i];
    result.flops += all[row + width];
  }
  for (double& value : result.losses) value /= shape_.micro_batches;
  result.gradient_norm = gradients_.norm();
  const auto objection = guard_.objection(state_.accepted, result.losses[0], result.gradient_norm);
  const bool broken = sealed_ && *sealed_ != hash_state(state_tensors()).all;
  constexpr std::int32_t kBroken = 2;  // and the rank
  const std::int32_t verdict = agree(broken ? kBroken + mesh_.world().rank() : objection ? 1 : 0);
  if (verdict > 0) {
    result.refusal = objection.value_or("another rank's loss or gradient is not finite");
    if (verdict >= kBroken) {
      result.corrupt_rank = verdict - kBroken;
      result.refusal =
          "parameters or moments changed by themselves on rank " + std::to_string(verdict - kBroken);
    }
    return result;
  }
  result.rates = task_->before_update(gradients_, state_.step);
  update(result.rates);
  after_step(result);
  result.seconds = seconds_since(start);
  result.phases = StepPhases::of(result.seconds, phase_seconds() - before);
  return result;
}

std::optional<double> total_peak(const Session& session, const PretrainConfig& config) {
  const mpi::Communicator& world = session.mesh().world();
  const at::ScalarType type = config.train.bfloat16() ? at::kBFloat16 : session.dtype();
  double own = 0;
  world.barrier();  // ranks that share a processor measure at the same time
  mpi::all_or_none(
      world, [&] { own = parallel::peak_of(config.train.peak, session.mesh().device(), type).value_or(0); });
  if (world.min(own) == 0) return std::nullopt;
  return world.sum(own);
}

}  // namespace terramill::train
