#include "commands.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/eval/feature_model.hpp>
#include <terramill/report/attention.hpp>
#include <terramill/report/run_page.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <filesystem>
#include <utility>

namespace terramill::cli {

namespace {

using terramill::report::PicturedTile;
using terramill::report::TilePictures;

/// TerraFM's attention in `count` tiles of the corpus.
std::vector<PicturedTile> attention(const std::filesystem::path& run, const std::filesystem::path& corpus,
                                    int count) {
  eval::FeatureModelOptions options;
  options.checkpoint = run;
  const auto model = eval::open_feature_model(options, corpus, mpi::Communicator::self());
  std::vector<PicturedTile> tiles;
  for (auto& drawn :
       terramill::report::draw_attention(*model, corpus, terramill::report::rows_to_show(corpus, count))) {
    PicturedTile tile{drawn.tile_id, {}};
    tile.pictures.emplace_back("what the model sees", std::move(drawn.image));
    tile.pictures.emplace_back("mean over heads", std::move(drawn.mean));
    for (std::size_t head = 0; head < drawn.heads.size(); ++head)
      tile.pictures.emplace_back("head " + std::to_string(head), std::move(drawn.heads[head]));
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

/// Pictures of `count` tiles of `corpus`, or of the run's own where it is empty; none, with a line in the
/// log, where the run cannot give any.
TilePictures pictures_of(const std::filesystem::path& run, const std::string& corpus, int count) {
  if (count == 0 || !std::filesystem::exists(run / "config.ini")) return {};
  if (checkpoint::list(run).empty()) {
    log::info("the run has no checkpoint yet: no pictures of tiles");
    return {};
  }
  train::PretrainConfig config = train::recorded_config(run);
  config.output = run.string();
  if (!corpus.empty()) config.corpus = corpus;
  if (corpus.empty() && !std::filesystem::exists(std::filesystem::path(config.corpus) / "manifest.json")) {
    log::warn("the run's corpus {} is not here: no pictures of tiles; name it by --corpus", config.corpus);
    return {};
  }
  TilePictures pictures;
  if (config.model.family == "terrafm") {
    pictures.attended = attention(run, config.corpus, count);
  } else {
    pictures.reconstructed = terramill::report::reconstruct(config, count);
  }
  return pictures;
}

}  // namespace

int report(const Context& context, const std::vector<std::string>& arguments) {
  std::string run, corpus, output;
  int tiles = 6;
  OptionTable table("terramill report RUN [--corpus CORPUS] [--output FOLDER]",
                    "Draws a run as one HTML page: losses, rates, sampling, tiles, configuration.");
  table.positional("run", &run, "run folder of pretrain");
  table.add("corpus", &corpus, "corpus to draw tiles of; empty: the run's own", "path");
  table.add("output", &output, "folder of the page; empty: RUN/report", "path");
  table.add("tiles", &tiles, "tiles to draw: reconstructions of an MP-MAE, attention of TerraFM; 0: none",
            "tiles");
  if (!table.parse(arguments, context.out)) return static_cast<int>(ExitCode::kDone);
  if (tiles < 0) throw UsageError("--tiles must be 0 or more", {"read the command line", "tiles", ""});
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);

  const terramill::report::RunRecord record = terramill::report::read_run(run);
  const TilePictures pictures = pictures_of(run, corpus, tiles);
  const std::filesystem::path folder =
      output.empty() ? record.folder / "report" : std::filesystem::path(output);
  const std::vector<std::string> sections = terramill::report::write_run_page(record, pictures, folder);
  const std::string page = (folder / "index.html").string();
  if (table.json()) {
    Json result = terramill::report::key_numbers(record);
    result["page"] = page;
    result["sections"] = sections;
    result["tiles"] = pictures.reconstructed.size() + pictures.attended.size();
    context.out << dump_json(result) << '\n';
  } else {
    context.out << page << '\n';
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
