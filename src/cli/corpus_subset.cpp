#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/subset.hpp>
#include <terramill/sampling/plan.hpp>

#include <ostream>

namespace terramill::cli {
namespace {

/// The filters in words that name no file of this machine.
Json choice_of(const sampling::Eligible& eligible) {
  Json choice = Json::array();
  for (const auto& step : eligible.filters) {
    const bool file = step.name == "region" && eligible.region_hash != 0;
    choice.push_back({{"option", step.name},
                      {"tiles", file ? "in the region of xxh3 " + to_hex(eligible.region_hash) : step.phrase},
                      {"passed", step.passed}});
  }
  return choice;
}

}  // namespace

int corpus_subset(const Context& context, const std::vector<std::string>& arguments) {
  std::string corpus;
  corpus::SubsetOptions options;
  sampling::SamplingOptions filters;
  filters.split = "all";
  OptionTable table("terramill corpus subset CORPUS --output SUBSET [FILTERS]",
                    "Makes a corpus of the tiles that pass the sampling filters, or continues one that was "
                    "interrupted. Chunks are copied as they are stored.");
  std::string output;
  table.positional("corpus", &corpus, "the corpus's folder");
  table.add("output", &output, "folder of the result; new, empty, or an unfinished subset");
  sampling::add_filter_options(table, filters, "");
  table.add("threads", &options.threads, "threads per rank", "threads");
  table.require("output");
  if (!context.faults.read(table, arguments, context.out, "corpus subset", fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  if (options.threads < 1)
    throw UsageError("--threads must be 1 or more", {"read the command line", "--threads", ""});
  mpi::require_agreement(context.world, table.values(), "options of corpus subset");

  const sampling::Eligible eligible = sampling::find_eligible(context.world, corpus, filters);
  options.corpus = corpus;
  options.output = output;
  options.rows = eligible.rows;
  options.choice = choice_of(eligible);
  const corpus::SubsetReport report = corpus::subset(context.world, options);
  if (table.json()) {
    const Json json = {{"output", output},          {"complete_before", report.complete_before},
                       {"tiles", report.tiles},     {"shards", report.shards},
                       {"filters", options.choice}, {"content", report.content},
                       {"seconds", report.seconds}};
    context.out << dump_json(json) << '\n';
  } else {
    for (const auto& step : eligible.filters)
      context.out << "  " << step.passed << ' ' << step.phrase << '\n';
    context.out << output << " is complete: " << report.tiles << " tiles in " << report.shards << " shards"
                << (report.complete_before ? "; nothing to do" : "") << "\n  content      " << report.content
                << '\n';
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
