#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/report/run_page.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <filesystem>
#include <sstream>

namespace terramill::cli {

namespace {

/// The configuration that a run recorded.
train::PretrainConfig configuration_of(const std::filesystem::path& run) {
  train::PretrainConfig config;
  OptionTable table("", "");
  train::add_options(table, config);
  std::ostringstream nowhere;
  table.parse({"--config", (run / "config.ini").string()}, nowhere);
  return config;
}

}  // namespace

int report(const Context& context, const std::vector<std::string>& arguments) {
  std::string run, corpus, output;
  int tiles = 6;
  OptionTable table(
      "terramill report RUN [--corpus CORPUS] [--output FOLDER]",
      "Draws a run: losses, rates and reconstructed tiles, as one HTML page with its pictures.");
  table.positional("run", &run, "run folder of pretrain");
  table.add("corpus", &corpus, "corpus to draw tiles of; empty: the run's own", "path");
  table.add("output", &output, "folder of the page; empty: RUN/report", "path");
  table.add("tiles", &tiles, "tiles to reconstruct; 0: none", "tiles");
  if (!table.parse(arguments, context.out)) return static_cast<int>(ExitCode::kDone);
  if (tiles < 0) throw UsageError("--tiles must be 0 or more", {"read the command line", "tiles", ""});
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);

  std::vector<terramill::report::ReconstructedTile> pictures;
  if (tiles > 0 && std::filesystem::exists(std::filesystem::path(run) / "config.ini")) {
    train::PretrainConfig config = configuration_of(run);
    config.output = run;
    if (!corpus.empty()) config.corpus = corpus;
    pictures = terramill::report::reconstruct(config, tiles);
  }
  const std::filesystem::path folder =
      output.empty() ? std::filesystem::path(run) / "report" : std::filesystem::path(output);
  terramill::report::write_run_page(run, pictures, folder);
  const std::string page = (folder / "index.html").string();
  context.out << (table.json() ? dump_json({{"page", page}, {"tiles", pictures.size()}}) : page) << '\n';
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
