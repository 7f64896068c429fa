#include "commands.hpp"
#include "summary.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/mpi/launcher.hpp>
#include <terramill/train/recipe_options.hpp>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <sstream>

namespace terramill::cli {

namespace {

struct Bench {
  train::PretrainConfig config;
  SweepOptions sweep;
  std::string output;
};

OptionTable options_of(Bench& bench) {
  OptionTable table(
      "terramill bench --config F.ini --corpus CORPUS --output POINTS.jsonl [--bench.OPTION LIST]...",
      "Measures training steps on the ranks it is started with, for every combination of what is listed, and "
      "adds a line per measurement to a file. What the file holds is not measured again.");
  table.add("corpus", &bench.config.corpus, "corpus folder, as `corpus build` left it", "path");
  table.add("output", &bench.output, "file of measured points: one JSON object per line", "path");
  table.require("corpus");
  table.require("output");
  add_options(table, bench.sweep);
  train::add_recipe_options(table, bench.config);
  return table;
}

/// The family of models that the options name: it decides on other options' defaults.
std::string family_of(const std::vector<std::string>& arguments) {
  Bench bench;
  std::ostringstream nowhere;
  options_of(bench).parse(arguments, nowhere);
  return bench.config.model.family;
}

}  // namespace

int bench(const Context& context, const std::vector<std::string>& arguments) {
  Bench bench;
  bench.config = train::defaults_of(family_of(arguments));
  OptionTable table = options_of(bench);
  if (!context.faults.read(table, arguments, context.out, "bench")) return static_cast<int>(ExitCode::kDone);
  mpi::require_world(context.world);
  mpi::require_agreement(context.world, table.values(), "options of bench");
  validate(bench.sweep);
  if (bench.sweep.name.empty()) bench.sweep.name = train::recipe_name(arguments, bench.config.model);

  const std::filesystem::path file(bench.output);
  Sweep sweep(context.world, bench.sweep, bench.config, file);
  const bool complete = sweep.run();
  const std::vector<Trial>& trials = sweep.trials();
  if (std::ranges::all_of(trials, [](const Trial& trial) { return !trial.refusal.empty(); })) {
    throw UsageError("no point of the sweep can be measured on " + std::to_string(context.world.size()) +
                         " ranks; the first: " + trials.front().text() + ": " + trials.front().refusal,
                     {"measure a sweep", bench.output, "the warnings above tell why each was left out"});
  }
  if (context.world.rank() != 0) return static_cast<int>(complete ? ExitCode::kDone : ExitCode::kStopped);
  if (table.json()) {
    Json result = describe(sweep);
    result["output"] = bench.output;
    result["complete"] = complete;
    context.out << dump_json(result) << '\n';
  } else {
    print_table(context.out, sweep);
    context.out << sweep.measured() << " measurements added to " << bench.output
                << (complete ? "" : "; stopped on request: the same command goes on") << '\n';
  }
  return static_cast<int>(complete ? ExitCode::kDone : ExitCode::kStopped);
}

}  // namespace terramill::cli
