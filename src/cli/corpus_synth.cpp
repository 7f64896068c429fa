#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/synth.hpp>

#include <chrono>
#include <cstdint>
#include <ostream>

namespace terramill::cli {

int corpus_synth(const Context& context, const std::vector<std::string>& arguments) {
  corpus::SynthOptions options;
  std::string output, locations = "natural";
  std::int64_t tiles = 0, seed = 0;
  bool index_only = false;
  OptionTable table(
      "terramill corpus synth --output RAW --tiles N [--seed K] [--index-only]",
      "Invents raw tiles of a world that does not exist, in the form of MMEarth's downloader, for "
      "demonstrations and load tests. Equal options give equal bytes, on any number of ranks.");
  table.add("output", &output, "folder to write; tiles that are there are kept");
  table.add("tiles", &tiles, "number of tiles; more may be added later", "tiles");
  table.add("seed", &seed, "the world");
  table.add("size", &options.world.size, "side of a tile; raw tiles have one pixel more on each side",
            "pixels");
  table.add("locations", &locations, "natural: uniform over the land's area; biome: as many in each biome",
            "", {"natural", "biome"});
  table.add("ocean-share", &options.world.ocean_share, "share of the locations that lie at sea");
  table.add("cluster-share", &options.world.cluster_share,
            "share of the tiles in groups of eight within 9 km");
  table.add("index-only", &index_only, "write a corpus without tiles, only its index, for sampling at scale");
  table.add("validation-share", &options.validation_share,
            "with --index-only: share of the locations of the validation split");
  table.add("test-share", &options.test_share, "with --index-only: share of the locations of the test split");
  table.add("compress", &options.compress,
            "deflate the raw tiles: a third of the bytes, slower to write and read");
  table.add("threads", &options.threads, "threads of each rank", "threads");
  table.require("output");
  table.require("tiles");
  if (!context.faults.read(table, arguments, context.out, "corpus synth", fault::Watch::kOn)) return 0;
  mpi::require_agreement(context.world, table.values(), "the options of corpus synth");
  if (tiles < 1) throw UsageError("at least one tile is wanted", {"read the command line", "--tiles", ""});
  if (seed < 0) throw UsageError("a seed is not negative", {"read the command line", "--seed", ""});
  options.output = output;
  options.tiles = static_cast<std::uint64_t>(tiles);
  options.world.seed = static_cast<std::uint64_t>(seed);
  options.world.locations = locations == "biome" ? corpus::Locations::kBiome : corpus::Locations::kNatural;

  const auto start = std::chrono::steady_clock::now();
  corpus::SynthSummary summary;
  if (index_only) {
    corpus::write_invented_index(context.world, options);
    summary.written = options.tiles;
  } else {
    summary = corpus::write_invented_tiles(context.world, options);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (table.json()) {
    const Json json = {{"output", output},     {"tiles", options.tiles},   {"written", summary.written},
                       {"kept", summary.kept}, {"index_only", index_only}, {"synthetic", true},
                       {"seconds", seconds}};
    context.out << dump_json(json) << '\n';
  } else {
    context.out << "invented " << summary.written << (index_only ? " rows of an index in " : " tiles in ")
                << output;
    if (summary.kept > 0) context.out << ", kept " << summary.kept << " that were there";
    context.out << "; all are synthetic\n";
  }
  return 0;
}

}  // namespace terramill::cli
