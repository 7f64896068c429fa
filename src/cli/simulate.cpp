#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/report/simulation_page.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/recipe_options.hpp>

#include <charconv>
#include <filesystem>
#include <iomanip>
#include <ostream>
#include <sstream>

namespace terramill::cli {

namespace {

using terramill::report::Choice;
using terramill::report::Prediction;
using terramill::report::Simulator;

constexpr double kGigabyte = 1e9;

/// What the command line says.
struct Wanted {
  train::PretrainConfig config;
  std::string name, machine, points, gpus, tp, output;
  std::string scaling = "strong", zero = "auto";
  int tile_size = 0, micro_batch_size = 0, images_per_gpu = 0;
  double tile_bytes = 0;
  terramill::report::SimulationOptions options;
};

OptionTable options_of(Wanted& wanted) {
  OptionTable table(
      "terramill simulate --config F.ini --machine M.ini [--gpus 1,8,64] [--points POINTS.jsonl]",
      "Predicts step time, speed and memory of a model on a described machine and names the best "
      "layout for each count of GPUs. What lies beyond measured points is a scenario.");
  table.add("machine", &wanted.machine, "description of the machine, as in configs/machines", "path");
  table.require("machine");
  table.add("name", &wanted.name, "the model's name, by which its points are found; empty: that of --config");
  table.add("gpus", &wanted.gpus, "counts of GPUs; empty: 1, 2, 4 ... to the whole machine",
            "comma-separated");
  table.add("scaling", &wanted.scaling,
            "strong: the configured global batch for any count; weak: images-per-gpu for each GPU", "",
            {"strong", "weak"});
  table.add("images-per-gpu", &wanted.images_per_gpu, "of weak scaling; 0: the configured micro-batch",
            "images");
  table.add("micro-batch-size", &wanted.micro_batch_size, "0: the best power of two", "images");
  table.add(
      "tp", &wanted.tp,
      "tensor-parallel ranks to choose from; empty: train.tp above 1, else all that divide node and model",
      "comma-separated");
  table.add("zero", &wanted.zero,
            "split the optimiser's state over the replicas; auto: on with train.zero, else the better", "",
            {"auto", "on", "off"});
  table.add("precision", &wanted.options.precision, "type of arithmetic; empty: train.precision", "",
            {"", "float32", "bfloat16"});
  table.add("points", &wanted.points, "measured points of bench, which then take the place of constants",
            "comma-separated");
  table.add(
      "cores", &wanted.options.cores,
      "processor cores that all ranks of the points shared, and those of the predictions share; 0: none "
      "shared");
  table.add("tile-size", &wanted.tile_size, "edge of the corpus's tiles; 0: the usual one", "pixels");
  table.add("tile-bytes", &wanted.tile_bytes, "read per tile; 0: its modalities without compression",
            "bytes");
  table.add("output", &wanted.output, "also write a page: a file .html, or a folder", "path");
  train::add_recipe_options(table, wanted.config);
  return table;
}

std::vector<std::int64_t> numbers(const std::string& text, const std::string& option) {
  std::vector<std::int64_t> values;
  for (const std::string& word : split_list(text)) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) {
      throw UsageError("\"" + word + "\" is no whole number",
                       {"read the command line", option, "give numbers with commas between"});
    }
    values.push_back(value);
  }
  return values;
}

Simulator simulator_of(Wanted& wanted) {
  if (wanted.tile_size < 0 || wanted.tile_bytes < 0 || wanted.micro_batch_size < 0 ||
      wanted.images_per_gpu < 0 || wanted.options.cores < 0) {
    throw UsageError("tile-size, tile-bytes, micro-batch-size, images-per-gpu and cores must not be negative",
                     {"read the command line", "", ""});
  }
  wanted.options.gpus = numbers(wanted.gpus, "gpus");
  wanted.options.tp = numbers(wanted.tp, "tp");
  if (wanted.options.tp.empty() && wanted.config.train.tp > 1) wanted.options.tp = {wanted.config.train.tp};
  wanted.options.weak = wanted.scaling == "weak";
  wanted.options.images_per_gpu = wanted.images_per_gpu;
  wanted.options.micro_batch_size = wanted.micro_batch_size;
  if (wanted.zero != "auto") wanted.options.zero = wanted.zero == "on";
  if (wanted.zero == "auto" && wanted.config.train.zero) wanted.options.zero = true;
  terramill::report::Workload workload =
      terramill::report::count_workload(wanted.config, wanted.name, wanted.tile_size);
  if (wanted.tile_bytes > 0) workload.tile_bytes = wanted.tile_bytes;
  std::vector<terramill::report::ScalingPoint> points;
  if (!wanted.points.empty()) {
    const std::vector<std::string> files = split_list(wanted.points);
    terramill::report::ScalingPoints read =
        terramill::report::read_scaling_points({files.begin(), files.end()});
    for (const std::string& remark : read.remarks) log::warn("{}", remark);
    points = std::move(read.points);
  }
  return {terramill::report::read_machine(wanted.machine), std::move(workload), wanted.options,
          std::move(points)};
}

std::string percent(double share) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << 100 * share << " %";
  return text.str();
}

void print_choices(std::ostream& out, const std::vector<Choice>& choices) {
  out << "  GPUs      dp x tp  ZeRO-1  micro-batches   GB/GPU     s/step   images/s  efficiency      MFU  "
         "exposed  data wait  "
         "kind\n"
      << std::fixed;
  for (const Choice& choice : choices) {
    out << std::setw(6) << choice.gpus;
    if (!choice.best) {
      out << "  no layout: of " << choice.tried << " tried " << choice.too_large
          << " do not fit the memory\n";
      continue;
    }
    const Prediction& p = *choice.best;
    out << std::setw(13) << (std::to_string(p.layout.dp) + " x " + std::to_string(p.layout.tp))
        << std::setw(8) << (p.zero ? "yes" : "no") << std::setw(15)
        << (std::to_string(p.micro_batches) + " x " + std::to_string(p.micro_batch_size))
        << std::setprecision(1) << std::setw(9) << p.memory.total() / kGigabyte << std::setprecision(4)
        << std::setw(11) << p.step.total() << std::setprecision(1) << std::setw(11) << p.images_per_second
        << std::setw(12) << percent(p.efficiency) << std::setw(9) << percent(p.mfu) << std::setw(9)
        << percent(p.step.exposed() / p.step.total()) << std::setw(11)
        << percent(p.step.data_wait / p.step.total()) << "  " << kind_of(p) << '\n';
  }
}

void print_points(std::ostream& out, const terramill::report::ScalingFit& fit) {
  out << "\nmeasured s  predicted s    error  left out  layout\n";
  for (const terramill::report::FittedLayout& layout : fit.layouts) {
    const auto left_out = layout.left_out_error();
    out << std::setprecision(4) << std::setw(10) << layout.measured.seconds << std::setw(13)
        << layout.predicted.total() << std::setw(9) << percent(layout.residual()) << std::setw(10)
        << (left_out ? percent(*left_out) : "-") << "  " << layout.measured.point.layout() << '\n';
  }
  out << "mean error " << percent(fit.mean_error());
  if (const auto left_out = fit.mean_left_out_error())
    out << ", of layouts left out of the fit " << percent(*left_out);
  out << '\n';
}

void print_constants(std::ostream& out, const Simulator& simulator) {
  out << "\nconstants\n";
  for (const terramill::report::Constant& constant : simulator.constants()) {
    out << "  " << std::left << std::setw(30) << constant.name << std::right << std::defaultfloat
        << std::setprecision(6) << std::setw(13) << constant.value << "  " << std::left << std::setw(24)
        << constant.unit << std::right << "  " << constant.origin << '\n';
  }
}

}  // namespace

int simulate(const Context& context, const std::vector<std::string>& arguments) {
  const std::string family = [&] {
    Wanted wanted;
    std::ostringstream nowhere;
    options_of(wanted).parse(arguments, nowhere);
    return wanted.config.model.family;
  }();
  Wanted wanted;
  wanted.config = train::defaults_of(family);
  OptionTable table = options_of(wanted);
  if (!context.faults.read(table, arguments, context.out, "simulate"))
    return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);
  if (wanted.name.empty()) wanted.name = train::recipe_name(arguments, wanted.config.model);

  const Simulator simulator = simulator_of(wanted);
  const std::vector<Choice> choices = simulator.sweep();
  if (!wanted.output.empty()) write_simulation_page(simulator, choices, wanted.output);
  if (table.json()) {
    context.out << dump_json(to_json(simulator, choices)) << '\n';
    return static_cast<int>(ExitCode::kDone);
  }
  const auto& options = simulator.options();
  context.out << wanted.name << " on " << simulator.machine().name << ", " << wanted.scaling << " scaling"
              << (options.weak ? " of " + std::to_string(options.images_per_gpu) + " images per GPU" : "")
              << ", " << options.precision << (options.recompute ? ", activations recomputed" : "") << "\n\n";
  print_choices(context.out, choices);
  if (simulator.fit()) print_points(context.out, *simulator.fit());
  print_constants(context.out, simulator);
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
