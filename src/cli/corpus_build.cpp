#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/build.hpp>

#include <cinttypes>
#include <cstdio>
#include <ostream>

namespace terramill::cli {
namespace {

struct Values {
  std::string source, input, output, schema, compat = "none", codec = "deflate", mapping, work_log;
  std::int64_t shard_tiles = 0, memory = 1024, split_seed = 0;
  int tile_size = 0, level = 6, threads = 0;
  double max_quarantine = 1, validation_share = 0, test_share = 0;
};

OptionTable options_of(Values& values) {
  OptionTable table(
      "terramill corpus build --source S --input PATH --output CORPUS [OPTIONS]",
      "Builds a corpus of HDF5 shards from raw tiles, or continues a build that was interrupted.");
  table.add("source", &values.source, "what the input is", "", corpus::source_kinds());
  table.add("input", &values.input, "folder with the raw data");
  table.add("output", &values.output, "folder of the corpus; new, empty, or an unfinished build");
  table.add("schema", &values.schema, "what the corpus holds: mmearth, majortom; empty: the source's own");
  table.add("tile-size", &values.tile_size, "edge of a tile; 0: the source's own", "pixels");
  table.add("shard-tiles", &values.shard_tiles, "candidates per shard; 0: chosen by the number of candidates",
            "tiles");
  table.add("codec", &values.codec, "how pixels are stored", "", {"deflate", "zstd", "none"});
  table.add("level", &values.level, "effort of the codec: deflate 1 to 12, zstd 1 to 19");
  table.add("compat", &values.compat, "\"reference\": like the official converter, with its faults", "",
            {"none", "reference"});
  table.add("mapping", &values.mapping, "geotiff: the INI file of bands, units, land cover and labels");
  table.add("validation-share", &values.validation_share, "share of locations set aside for validation");
  table.add("test-share", &values.test_share, "share of locations set aside for testing");
  table.add("split-seed", &values.split_seed, "seed of the split");
  table.add("max-quarantine", &values.max_quarantine,
            "highest share of candidates that may be set aside; above it the exit code is 3");
  table.add("threads", &values.threads, "threads per rank; 0: the node's cores shared among its ranks");
  table.add("memory", &values.memory, "memory for tiles in flight, per rank", "MiB");
  table.add("work-log", &values.work_log, "file for a JSON line per request for work and per shard");
  for (const char* name : {"source", "input", "output"}) table.require(name);
  return table;
}

void demand(bool good, const std::string& option, const std::string& rule) {
  if (!good)
    throw UsageError("--" + option + " must be " + rule, {"read the command line", "--" + option, ""});
}

corpus::BuildOptions to_options(const Values& values) {
  demand(values.tile_size >= 0, "tile-size", "0 or more");
  demand(values.shard_tiles >= 0, "shard-tiles", "0 or more");
  demand(values.memory >= 1, "memory", "1 or more");
  demand(values.threads >= 0 && values.threads <= 4096, "threads", "between 0 and 4096");
  demand(values.split_seed >= 0, "split-seed", "0 or more");
  demand(values.max_quarantine >= 0 && values.max_quarantine <= 1, "max-quarantine", "between 0 and 1");
  demand(values.validation_share >= 0 && values.test_share >= 0 &&
             values.validation_share + values.test_share <= 1,
         "validation-share", "0 or more, like --test-share, and their sum at most 1");
  corpus::BuildOptions options;
  options.source.kind = values.source;
  options.source.input = values.input;
  options.source.schema = values.schema;
  options.source.tile_size = values.tile_size;
  options.source.reference = values.compat == "reference";
  options.source.mapping = values.mapping;
  options.source.split_seed = static_cast<std::uint64_t>(values.split_seed);
  options.source.validation_share = values.validation_share;
  options.source.test_share = values.test_share;
  options.output = values.output;
  options.shard_tiles = static_cast<std::uint64_t>(values.shard_tiles);
  options.codec = corpus::codec_from(values.codec);
  options.level = values.level;
  options.threads = values.threads;
  options.memory_mib = static_cast<std::uint64_t>(values.memory);
  options.work_log = values.work_log;
  // A wrong level is refused before any work.
  const corpus::ChunkEncoder check(options.codec, options.level);
  return options;
}

Json to_json(const corpus::BuildReport& report) {
  const double seconds = report.seconds > 0 ? report.seconds : 1;
  return {{"tiles", report.tiles},
          {"quarantined", report.quarantined},
          {"reasons", report.reasons},
          {"shards", report.shards},
          {"complete_before", report.complete_before},
          {"built_shards", report.built_shards},
          {"built_tiles", report.built_tiles},
          {"decoded_bytes", report.decoded_bytes},
          {"stored_bytes", report.stored_bytes},
          {"content", report.content},
          {"seconds", report.seconds},
          {"tiles_per_second", static_cast<double>(report.built_tiles) / seconds},
          {"decoded_bytes_per_second", static_cast<double>(report.built_bytes) / seconds},
          {"threads_per_rank", report.threads},
          {"longest_wait_ms", report.longest_wait_ms},
          {"longest_wait_rank", report.longest_wait_rank}};
}

void print(std::ostream& out, const corpus::BuildReport& report, const Values& values, int ranks) {
  if (report.complete_before) {
    out << values.output << " is complete: " << report.tiles << " tiles in " << report.shards << " shards, "
        << report.quarantined << " quarantined; nothing to do\n";
    return;
  }
  char line[256];
  const auto emit = [&](auto... parts) {
    std::snprintf(line, sizeof(line), parts...);
    out << line << '\n';
  };
  out << values.output << " is complete\n";
  emit("  tiles        %" PRIu64 " in %" PRIu64 " shards", report.tiles, report.shards);
  emit("  quarantined  %" PRIu64 " (%.3g %% of the candidates)", report.quarantined,
       100 * report.quarantine_rate());
  for (const auto& [reason, count] : report.reasons) out << "    " << count << "  " << reason << '\n';
  emit("  stored       %.1f MB for %.1f MB decoded, ratio %.2f",
       static_cast<double>(report.stored_bytes) / 1e6, static_cast<double>(report.decoded_bytes) / 1e6,
       report.stored_bytes > 0
           ? static_cast<double>(report.decoded_bytes) / static_cast<double>(report.stored_bytes)
           : 0);
  emit("  built now    %" PRIu64 " tiles of %" PRIu64 " shards in %.1f s: %.0f tiles/s, %.1f MB/s decoded",
       report.built_tiles, report.built_shards, report.seconds,
       static_cast<double>(report.built_tiles) / report.seconds,
       static_cast<double>(report.built_bytes) / 1e6 / report.seconds);
  emit("  layout       %d rank%s x %d thread%s; longest wait for work %.2f ms, on rank %d", ranks,
       ranks == 1 ? "" : "s", report.threads, report.threads == 1 ? "" : "s", report.longest_wait_ms,
       report.longest_wait_rank);
  out << "  content      " << report.content << '\n';
}

}  // namespace

int corpus_build(const Context& context, const std::vector<std::string>& arguments) {
  Values values;
  OptionTable table = options_of(values);
  if (!context.faults.read(table, arguments, context.out, "corpus build", fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  mpi::require_agreement(context.world, table.values(), "options of corpus build");
  const corpus::BuildReport report = corpus::build(context.world, to_options(values));
  if (table.json()) {
    context.out << dump_json(to_json(report)) << '\n';
  } else {
    print(context.out, report, values, context.world.size());
  }
  if (report.quarantine_rate() > values.max_quarantine) {
    context.out << "more tiles were quarantined than --max-quarantine " << values.max_quarantine
                << " allows; the corpus is complete all the same\n";
    return static_cast<int>(ExitCode::kQuarantine);
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
