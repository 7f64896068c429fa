#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/verify.hpp>

#include <cinttypes>
#include <cstdio>
#include <ostream>

namespace terramill::cli {
namespace {

void print(std::ostream& out, const std::string& corpus, const corpus::VerifyReport& report) {
  constexpr std::size_t kShown = 100;
  for (std::size_t i = 0; i < std::min(report.faults.size(), kShown); ++i) {
    const corpus::CorpusFault& fault = report.faults[i];
    out << fault.file;
    if (!fault.tile.empty()) out << ", tile " << fault.tile;
    if (!fault.modality.empty()) out << ", " << fault.modality;
    out << ": " << fault.problem << '\n';
  }
  if (report.faults.size() > kShown) {
    out << "… and " << report.faults.size() - kShown << " more; --json lists all\n";
  }
  char line[256];
  std::snprintf(
      line, sizeof(line),
      "%s: %" PRIu64 " shards, %" PRIu64 " tiles, %" PRIu64 " chunks, %.1f MB in %.1f s: ", corpus.c_str(),
      report.shards, report.tiles, report.chunks, static_cast<double>(report.bytes) / 1e6, report.seconds);
  out << line << (report.fault_count == 0 ? "no faults" : std::to_string(report.fault_count) + " faults")
      << '\n';
}

}  // namespace

int corpus_verify(const Context& context, const std::vector<std::string>& arguments) {
  std::string corpus;
  int threads = 1;
  OptionTable table(
      "terramill corpus verify CORPUS [OPTIONS]",
      "Checks every file, chunk and row of a corpus, and its statistics and hashes anew. Exit code 1 "
      "when anything is wrong.");
  table.positional("corpus", &corpus, "the corpus's folder");
  table.add("threads", &threads, "threads per rank");
  if (!context.faults.read(table, arguments, context.out, "corpus verify", fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  if (threads < 1)
    throw UsageError("--threads must be 1 or more", {"read the command line", "--threads", ""});
  mpi::require_agreement(context.world, table.values(), "options of corpus verify");
  const corpus::VerifyReport report = corpus::verify(context.world, corpus, threads);
  if (table.json()) {
    context.out << dump_json(corpus::to_json(report)) << '\n';
  } else {
    print(context.out, corpus, report);
  }
  return static_cast<int>(report.fault_count == 0 ? ExitCode::kDone : ExitCode::kFailed);
}

}  // namespace terramill::cli
