#include <terramill/core/error.hpp>
#include <terramill/report/simulate.hpp>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace terramill::report {

namespace {

constexpr double kMasterBytes = 4;    // float32 parameter, gradient, moment
constexpr double kUpdateBytes = 28;   // AdamW reads four such numbers per parameter and writes three
constexpr double kTeacherBytes = 12;  // its moving average reads two and writes one

constexpr double kFaster = 1.001;  // layouts closer than this count as equal

double number(std::int64_t value) { return static_cast<double>(value); }

double bytes_of(const std::string& precision) {
  return precision == "bfloat16" ? 2 : precision == "float64" ? 8 : 4;
}

[[noreturn]] void refuse(const std::string& message, const std::string& option, const std::string& advice) {
  throw UsageError(message, {"simulate", option, advice});
}

/// The parameters on one rank.
double on_rank(const Workload& work, double parameters, double tp) {
  const double share = work.split_parameters / work.parameters;
  return parameters * (share / tp + 1 - share);
}

}  // namespace

Simulator::Simulator(Machine machine, Workload workload, SimulationOptions options,
                     std::vector<ScalingPoint> points)
    : machine_(std::move(machine)), workload_(std::move(workload)), options_(std::move(options)) {
  if (options_.precision.empty()) options_.precision = workload_.precision;
  if (workload_.recompute) options_.recompute = true;
  if (options_.images_per_gpu == 0) options_.images_per_gpu = workload_.micro_batch_size;
  const std::int64_t all = machine_.nodes * machine_.gpus_per_node;
  if (options_.gpus.empty()) {
    for (std::int64_t gpus = 1; gpus <= all; gpus *= 2) options_.gpus.push_back(gpus);
  }
  for (const std::int64_t gpus : options_.gpus) {
    if (gpus < 1) refuse("a count of GPUs must be 1 or more", "gpus", "");
    if (gpus > all)
      refuse(std::to_string(gpus) + " GPUs are more than the machine's " + std::to_string(all), "gpus",
             "describe a larger machine: node.nodes");
    if (gpus > machine_.gpus_per_node && gpus % machine_.gpus_per_node != 0)
      refuse(std::to_string(gpus) + " GPUs are no whole number of nodes", "gpus",
             "give a multiple of " + std::to_string(machine_.gpus_per_node));
  }
  for (const std::int64_t tp : options_.tp) {
    if (tp < 1) refuse("tp must be 1 or more", "tp", "");
  }
  constants_ = machine_.constants;
  if (!points.empty()) calibrate(points);
  note_model();
}

void Simulator::calibrate(const std::vector<ScalingPoint>& points) {
  fit_ = fit_scaling(points, {.cores = options_.cores});
  const std::string origin = "fit of " + std::to_string(fit_->layouts.size()) + " measured layouts";
  const ScalingPoint* like = nullptr;
  for (const ScalingPoint& point : points) {
    if (point.model != workload_.family || point.config != workload_.name ||
        point.precision != options_.precision || point.checkpointing != options_.recompute)
      continue;
    if (like == nullptr) like = &point;
    measured_nodes_ = std::max(measured_nodes_, point.nodes);
    measured_ranks_ = std::max(measured_ranks_, point.ranks);
    measured_tp_ = std::max(measured_tp_, point.tp);
  }
  const auto note = [&](const std::string& name, const std::string& unit, double value) {
    constants_.push_back({"points." + name, unit, value, origin});
  };
  if (like != nullptr) {
    measured_ = fit_->workloads.at(workload_of(*like));
    note("image_split", "s per image, divided by tp", measured_->image_split);
    note("image_repeated", "s per image", measured_->image_whole);
    note("micro_batch", "s per micro-batch", measured_->micro_batch);
    note("image_wait", "s per image", measured_->image_wait);
    note("overhead", "s per step", measured_->overhead);
    note("overlap", "of the backward pass", fit_->overlap);
  }
  const auto links = fit_->links.find(workload_.reduction);
  if (links == fit_->links.end()) return;
  links_ = links->second;
  const auto note_link = [&](const std::string& name, const std::optional<Link>& link) {
    if (!link) return;
    note(name + "_latency", "s per message", link->latency);
    note(name + "_seconds_per_byte", "s", link->seconds_per_byte);
  };
  note_link("local", links_.local);
  note_link("remote", links_.remote);
}

void Simulator::note_model() {
  const std::string origin = "counted from the configuration " + workload_.name;
  for (const auto& [name, unit, value] :
       {std::tuple{"parameters", "", workload_.parameters},
        {"split_parameters", "", workload_.split_parameters},
        {"teacher_parameters", "", workload_.teacher_parameters},
        {"flops", "operations per image", workload_.flops},
        {"split_flops", "operations per image", workload_.split_flops},
        {"activations", "elements per image", workload_.activations},
        {"other_activations", "elements per image", workload_.other_activations},
        {"tensor_calls", "per micro-batch", workload_.tensor_calls},
        {"tensor_elements", "per image", workload_.tensor_elements},
        {"kernels", "per micro-batch", workload_.kernels},
        {"tile_bytes", "bytes per image", workload_.tile_bytes}})
    constants_.push_back({std::string("model.") + name, unit, value, origin});
}

StepCosts Simulator::costs_of(const RankLayout& layout, bool zero) const {
  StepCosts costs;
  const double reached = workload_.family == "terrafm" ? machine_.reached_terrafm : machine_.reached_mpmae;
  const double rate = machine_.peak(options_.precision) * reached;
  const double again = options_.recompute ? workload_.block_forward_flops : 0;
  costs.image_split = (workload_.split_flops + again) / rate;
  costs.image_whole = (workload_.flops - workload_.split_flops) / rate;
  costs.micro_batch = workload_.kernels * machine_.kernel_seconds;
  costs.local = {machine_.gpu_latency, 1 / machine_.gpu_bandwidth};
  costs.remote = {machine_.network_latency, 1 / machine_.network_bandwidth};
  costs.overlap = machine_.overlap;
  const double tp = number(layout.tp), share = zero ? number(layout.dp) : 1;
  costs.overhead = (kUpdateBytes * on_rank(workload_, workload_.parameters, tp) / share +
                    kTeacherBytes * on_rank(workload_, workload_.teacher_parameters, tp)) /
                   machine_.memory_bandwidth;
  if (measured_) {
    costs.image_split = measured_->image_split;
    costs.image_whole = measured_->image_whole;
    costs.micro_batch = measured_->micro_batch;
    costs.image_wait = measured_->image_wait;
    costs.overhead = measured_->overhead;
    costs.overlap = fit_->overlap;
  }
  if (links_.local) costs.local = *links_.local;
  if (links_.remote) costs.remote = *links_.remote;
  return costs;
}

RankMemory Simulator::memory_of(const RankLayout& layout, bool zero, double micro_batch_size) const {
  const double tp = number(layout.tp), element = bytes_of(options_.precision);
  const double parameters = on_rank(workload_, workload_.parameters, tp);
  RankMemory memory;
  // Masters, and their copies of the computing type.
  memory.weights = (kMasterBytes + (element < kMasterBytes ? element : 0)) * parameters;
  memory.gradients = kMasterBytes * parameters;
  memory.optimiser = 2 * kMasterBytes * parameters / (zero ? number(layout.dp) : 1);
  memory.teacher = kMasterBytes * on_rank(workload_, workload_.teacher_parameters, tp);
  const double blocks =
      options_.recompute ? workload_.block_inputs + workload_.largest_block : workload_.activations;
  memory.activations = micro_batch_size * element * (blocks / tp + workload_.other_activations);
  memory.reserved = machine_.reserved_memory;
  return memory;
}

bool Simulator::within_points(const RankLayout& layout) const {
  return measured_ && layout.nodes <= measured_nodes_ && layout.ranks() <= measured_ranks_ &&
         layout.tp <= measured_tp_;
}

Prediction Simulator::predict(const RankLayout& layout, bool zero, std::int64_t micro_batch_size,
                              std::int64_t micro_batches) const {
  Prediction prediction;
  prediction.layout = layout;
  prediction.zero = zero;
  prediction.micro_batch_size = micro_batch_size;
  prediction.micro_batches = micro_batches;

  StepWork work;
  work.micro_batches = std::ceil(number(micro_batches) / number(layout.dp));
  work.images = work.micro_batches * number(micro_batch_size);
  work.tp = number(layout.tp);
  work.zero = zero;
  if (options_.cores > 0) work.crowding = std::max(1.0, number(layout.ranks()) / options_.cores);
  const double gradient_bytes = workload_.gradient_bytes * on_rank(workload_, workload_.parameters, work.tp);
  const double buckets = std::max(1.0, std::ceil(gradient_bytes / workload_.bucket_bytes));
  work.reduction = reduction_traffic(layout, gradient_bytes);
  Traffic tree = tree_traffic(layout, gradient_bytes);
  for (Traffic* traffic : {&work.reduction, &tree}) {
    traffic->local_messages *= buckets;
    traffic->remote_messages *= buckets;
  }
  work.tensor = tensor_traffic(layout, workload_.tensor_calls * work.micro_batches,
                               workload_.tensor_elements * bytes_of(options_.precision) * work.images);

  StepCosts costs = costs_of(layout, zero);
  if (work.reduction.remote_messages > 0) {
    const bool use_tree =
        !zero && tree.seconds(costs.local, costs.remote) < work.reduction.seconds(costs.local, costs.remote);
    prediction.algorithm = use_tree ? "tree" : "ring";
    if (use_tree) work.reduction = tree;
  }
  prediction.step = report::predict(costs, work);
  StepSeconds& step = prediction.step;
  const double batch = number(prediction.global_batch());
  if (!measured_) {
    // Tiles are loaded while the step before is computed.
    const double read =
        std::min(machine_.read_bandwidth, number(layout.nodes) * machine_.node_read_bandwidth);
    step.data_wait = std::max(0.0, batch * workload_.tile_bytes / read - step.total());
  }
  if (workload_.checkpoint_every > 0) {
    const double state =
        3 * kMasterBytes * workload_.parameters + kMasterBytes * workload_.teacher_parameters;
    const double interval = number(workload_.checkpoint_every) * step.total();
    // Each rank copies its share to its host; writing goes on behind the next steps.
    const double copy = state / number(layout.ranks()) / machine_.host_bandwidth;
    const double late = std::max(0.0, state / machine_.write_bandwidth - interval);
    step.checkpoint = (copy + late) / number(workload_.checkpoint_every);
  }
  prediction.images_per_second = batch / step.total();
  prediction.mfu = prediction.images_per_second * workload_.flops /
                   (number(layout.ranks()) * machine_.peak(options_.precision));
  prediction.memory = memory_of(layout, zero, number(micro_batch_size));
  prediction.fits = prediction.memory.total() <= machine_.memory;
  prediction.measured = within_points(layout);
  return prediction;
}

bool Simulator::is_possible(const RankLayout& layout) const {
  return layout.tp <= machine_.gpus_per_node && machine_.gpus_per_node % layout.tp == 0 &&
         workload_.tp_divides % layout.tp == 0;
}

Choice Simulator::best(std::int64_t gpus) const {
  Choice choice;
  choice.gpus = gpus;
  const std::int64_t nodes = (gpus + machine_.gpus_per_node - 1) / machine_.gpus_per_node;
  const std::int64_t batch =
      options_.weak ? options_.images_per_gpu * gpus : workload_.micro_batch_size * workload_.micro_batches;
  std::vector<std::int64_t> tps = options_.tp;
  for (std::int64_t tp = 1; options_.tp.empty() && tp <= std::min(gpus, machine_.gpus_per_node); ++tp)
    tps.push_back(tp);
  std::vector<std::int64_t> sizes{options_.micro_batch_size};
  if (options_.micro_batch_size == 0) {
    sizes.clear();
    for (std::int64_t size = 1; size <= batch; size *= 2) sizes.insert(sizes.begin(), size);
  }
  for (const std::int64_t tp : tps) {
    const RankLayout layout{nodes, gpus / tp, tp};
    if (gpus % tp != 0 || !is_possible(layout)) continue;
    for (const bool zero : {false, true}) {
      if ((options_.zero && zero != *options_.zero) || (zero && layout.dp == 1 && !options_.zero)) continue;
      for (const std::int64_t size : sizes) {
        if (batch % size != 0 || batch / size < layout.dp) continue;
        const Prediction prediction = predict(layout, zero, size, batch / size);
        ++choice.tried;
        if (!prediction.fits) {
          ++choice.too_large;
        } else if (!choice.best || prediction.images_per_second > kFaster * choice.best->images_per_second) {
          choice.best = prediction;
        }
      }
    }
  }
  return choice;
}

std::vector<Choice> Simulator::sweep() const {
  std::vector<Choice> choices;
  double first = 0;
  for (const std::int64_t gpus : options_.gpus) {
    choices.push_back(best(gpus));
    auto& found = choices.back().best;
    if (!found) continue;
    const double rate = found->images_per_second / number(gpus);
    if (first == 0) first = rate;
    found->efficiency = rate / first;
  }
  return choices;
}

}  // namespace terramill::report
