#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/geo/land_cover.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>

namespace terramill::cli {
namespace {

/// A line of this process's memory in bytes: "VmRSS", what it holds, or "VmHWM", the most it has held; 0
/// where the system does not say.
std::uint64_t memory(const std::string& field) {
  std::istringstream status(read_text("/proc/self/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stoull(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::uint64_t available(const sampling::Plan& plan) {
  std::uint64_t sum = 0;
  for (const auto& stratum : plan.strata) sum += stratum.available;
  return sum;
}

std::string percent(double value) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(3) << 100 * value << " %";
  return text.str();
}

/// Tiles per dominant land-cover class, with the sums.
struct Classes {
  explicit Classes(const sampling::Plan& plan) : before(plan.classes_before), after(plan.classes_after) {
    for (const std::uint64_t tiles : before) all_before += tiles;
    for (const std::uint64_t tiles : after) all_after += tiles;
  }
  std::string name(std::size_t c) const { return std::string(geo::land_cover_classes().at(c).name); }

  const sampling::ClassCounts &before, &after;
  std::uint64_t all_before = 0, all_after = 0;
};

void print_filters(std::ostream& out, const sampling::Plan& plan) {
  out << plan.in_index << " tiles in the corpus\n";
  for (const auto& step : plan.filters) out << "  " << step.passed << ' ' << step.phrase << '\n';
}

void print_classes(std::ostream& out, const sampling::Plan& plan) {
  const Classes classes(plan);
  out << "\ndominant class                  before  share before       in plan   share after\n";
  for (std::size_t c = 0; c < classes.before.size(); ++c) {
    if (classes.before[c] == 0) continue;
    out << std::left << std::setw(26) << classes.name(c) << std::right << std::setw(12) << classes.before[c]
        << std::setw(14) << percent(share(classes.before[c], classes.all_before)) << std::setw(14)
        << classes.after[c] << std::setw(14) << percent(share(classes.after[c], classes.all_after)) << '\n';
  }
}

void print_table(std::ostream& out, const sampling::Plan& plan) {
  std::size_t width = 7;
  for (const auto& stratum : plan.strata) width = std::max(width, name_of(stratum).size());
  const int name = static_cast<int>(width);
  out << plan.tiles << " positions and " << plan.reserve << " in reserve from " << available(plan)
      << " eligible tiles, epoch " << plan.epoch << ", strategy " << plan.options.strategy;
  if (plan.options.strategy == "landcover" || plan.options.strategy == "composition") {
    out << ", balance exponent " << shortest_text(plan.options.balance_exponent);
  }
  out << ", seed " << plan.options.seed << "\n\n";
  out << std::left << std::setw(name) << "stratum" << std::right << std::setw(12) << "available"
      << std::setw(14) << "share before" << std::setw(12) << "quota" << std::setw(14) << "share after"
      << std::setw(9) << "repeats" << '\n';
  for (const auto& stratum : plan.strata) {
    out << std::left << std::setw(name) << name_of(stratum) << std::right << std::setw(12)
        << stratum.available << std::setw(14) << percent(share(stratum.available, available(plan)))
        << std::setw(12) << stratum.quota << std::setw(14) << percent(share(stratum.quota, plan.tiles))
        << std::setw(9) << stratum.repeats() << '\n';
  }
}

Json describe(const sampling::Plan& plan) {
  Json strata = Json::array();
  for (const auto& stratum : plan.strata) {
    strata.push_back({{"name", name_of(stratum)},
                      {"land_cover", stratum.land_cover},
                      {"biome", stratum.biome},
                      {"available", stratum.available},
                      {"share_before", share(stratum.available, available(plan))},
                      {"quota", stratum.quota},
                      {"share_after", share(stratum.quota, plan.tiles)},
                      {"reserve", stratum.reserve},
                      {"repeats", stratum.repeats()}});
  }
  Json filters = Json::array();
  for (const auto& step : plan.filters) {
    filters.push_back({{"option", step.name}, {"tiles", step.phrase}, {"passed", step.passed}});
  }
  const Classes counted(plan);
  Json classes = Json::array();
  for (std::size_t c = 0; c < counted.before.size(); ++c) {
    classes.push_back({{"land_cover", c},
                       {"name", counted.name(c)},
                       {"before", counted.before[c]},
                       {"share_before", share(counted.before[c], counted.all_before)},
                       {"after", counted.after[c]},
                       {"share_after", share(counted.after[c], counted.all_after)}});
  }
  return {{"corpus_content", to_hex(plan.content)},
          {"strategy", plan.options.strategy},
          {"balance_exponent", plan.options.balance_exponent},
          {"seed", plan.options.seed},
          {"epoch", plan.epoch},
          {"in_index", plan.in_index},
          {"filters", filters},
          {"eligible", available(plan)},
          {"tiles", plan.tiles},
          {"reserve", plan.reserve},
          {"strata", strata},
          {"classes", classes}};
}

}  // namespace

int sample(const Context& context, const std::vector<std::string>& arguments) {
  std::string corpus, output;
  std::int64_t epoch = 0;
  sampling::SamplingOptions options;
  OptionTable table(
      "terramill sample --corpus CORPUS [--tiles N] [--strategy S] [--output plan.h5]",
      "Plans an epoch: which tiles, in which order; shows how many pass each filter, what the strata get, "
      "and the land-cover classes before and after.");
  table.add("corpus", &corpus, "folder of the corpus");
  table.require("corpus");
  table.add("output", &output, "where the plan is written (HDF5); empty: only described");
  table.add("epoch", &epoch, "which epoch: each has its own selection and order");
  sampling::add_options(table, options, "");
  if (!context.faults.read(table, arguments, context.out, "sample", fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  mpi::require_agreement(context.world, table.values(), "sample");
  if (epoch < 0) throw UsageError("the epoch must not be negative", {"read the options", "epoch", ""});

  fault_points::begin_unit(1);
  const std::uint64_t at_start = context.world.max(memory("VmRSS"));
  const sampling::Plan plan =
      sampling::plan_epoch(context.world, corpus, options, static_cast<std::uint64_t>(epoch));
  const auto start = std::chrono::steady_clock::now();
  fault_points::begin_unit(2);
  if (!output.empty()) sampling::write_plan(context.world, plan, output);
  const std::chrono::duration<double> writing = std::chrono::steady_clock::now() - start;

  const double read = context.world.max(plan.seconds.read), select = context.world.max(plan.seconds.select);
  const double shuffle = context.world.max(plan.seconds.shuffle), write = context.world.max(writing.count());
  const std::vector<std::uint64_t> peaks = context.world.all_gather(memory("VmHWM"));
  const std::uint64_t most = *std::max_element(peaks.begin(), peaks.end());
  if (table.json()) {
    Json result = describe(plan);
    result["output"] = output;
    result["ranks"] = context.world.size();
    result["seconds"] = {{"read", read}, {"select", select}, {"shuffle", shuffle}, {"write", write}};
    result["memory_at_start_bytes"] = at_start;  // the program and its libraries
    result["peak_memory_bytes"] = most;
    result["peak_memory_bytes_per_rank"] = peaks;
    context.out << dump_json(result) << '\n';
  } else {
    print_filters(context.out, plan);
    print_table(context.out, plan);
    print_classes(context.out, plan);
    context.out << std::fixed << std::setprecision(2) << "\nread " << read << " s, select " << select
                << " s, shuffle " << shuffle << " s, write " << write << " s; peak memory of a rank "
                << most / (1 << 20) << " MiB, " << at_start / (1 << 20) << " of them before\n";
    if (!output.empty()) context.out << "written: " << output << '\n';
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
