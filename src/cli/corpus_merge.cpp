#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/merge.hpp>

#include <algorithm>
#include <ostream>

namespace terramill::cli {

int corpus_merge(const Context& context, const std::vector<std::string>& arguments) {
  OptionTable table(
      "terramill corpus merge CORPUS-1 CORPUS-2 … --output CORPUS [OPTIONS]",
      "Joins complete corpora of one schema, tile size, codec and --compat into a new one, or "
      "continues a merge that was interrupted. Shards are hard-linked, or copied where that cannot "
      "be.");
  // No command line has more corpora than arguments.
  std::vector<std::string> inputs(std::max<std::size_t>(2, arguments.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    table.positional("corpus-" + std::to_string(i + 1), &inputs[i], "a complete corpus", i < 2);
  }
  std::string output;
  int threads = 1;
  table.add("output", &output, "folder of the result; new, empty, or an unfinished merge");
  table.add("threads", &threads, "threads per rank, which check every tile", "threads");
  table.require("output");
  if (!context.faults.read(table, arguments, context.out, "corpus merge", fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  if (threads < 1)
    throw UsageError("--threads must be 1 or more", {"read the command line", "--threads", ""});
  mpi::require_agreement(context.world, table.values(), "options of corpus merge");

  corpus::MergeOptions options;
  for (const std::string& input : inputs) {
    if (!input.empty()) options.inputs.emplace_back(input);
  }
  options.output = output;
  options.threads = threads;
  const corpus::MergeReport report = corpus::merge(context.world, options);
  if (table.json()) {
    const Json json = {{"output", output},         {"complete_before", report.complete_before},
                       {"tiles", report.tiles},    {"quarantined", report.quarantined},
                       {"shards", report.shards},  {"linked", report.linked},
                       {"copied", report.copied},  {"content", report.content},
                       {"seconds", report.seconds}};
    context.out << dump_json(json) << '\n';
  } else {
    context.out << output << " is complete: " << report.tiles << " tiles in " << report.shards << " shards, "
                << report.quarantined << " quarantined; ";
    if (report.complete_before) {
      context.out << "nothing to do\n";
    } else {
      context.out << report.linked << " shards linked, " << report.copied << " copied\n  content      "
                  << report.content << '\n';
    }
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
