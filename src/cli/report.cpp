#include "commands.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/eval/feature_model.hpp>
#include <terramill/report/attention.hpp>
#include <terramill/report/run_page.hpp>
#include <terramill/report/scaling_page.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

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

bool is_points_file(const std::string& name) { return std::filesystem::path(name).extension() == ".jsonl"; }

/// The page of a scaling experiment.
void report_sweep(const Context& context, const OptionTable& table, const std::vector<std::string>& inputs,
                  const std::string& output, int cores) {
  for (const std::string& input : inputs) {
    if (!is_points_file(input)) {
      throw UsageError("a sweep is read from .jsonl files, and this is none",
                       {"report on a sweep", input, "give one run folder, or files of terramill bench"});
    }
  }
  const terramill::report::ScalingPoints points =
      terramill::report::read_scaling_points({inputs.begin(), inputs.end()});
  const terramill::report::ScalingReport swept =
      terramill::report::make_scaling_report(points, {.cores = cores});
  for (const std::string& remark : swept.remarks) log::info("{}", remark);
  const std::filesystem::path page = output.empty()
                                         ? std::filesystem::path(inputs.front()).replace_extension(".html")
                                         : std::filesystem::path(output);
  const std::vector<std::string> sections = terramill::report::write_scaling_page(swept, page);
  const std::string written = (page.extension() == ".html" ? page : page / "index.html").string();
  if (table.json()) {
    Json result = to_json(swept);
    result["page"] = written;
    result["sections"] = sections;
    context.out << dump_json(result) << '\n';
  } else {
    context.out << written << '\n';
  }
}

}  // namespace

int report(const Context& context, const std::vector<std::string>& arguments) {
  std::string run, corpus, output;
  // Room for every argument to be a file of points.
  std::vector<std::string> more(std::max<std::size_t>(1, arguments.size()));
  int tiles = 6, cores = 0;
  OptionTable table(
      "terramill report RUN [--corpus CORPUS] | POINTS.jsonl... [--output PATH]",
      "Draws a run as one HTML page: losses, rates, sampling, tiles, configuration; or the points of a "
      "scaling experiment: efficiency, shares of a step, a fitted model of its time.");
  table.positional("run", &run, "run folder of pretrain, or a file of points of bench");
  for (std::size_t i = 0; i < more.size(); ++i)
    table.positional("points-" + std::to_string(i + 2), &more[i], "a further file of points", false);
  table.add("corpus", &corpus, "corpus to draw tiles of; empty: the run's own", "path");
  table.add("output", &output,
            "folder of the page, or, of points, a file .html; empty: RUN/report, or POINTS.html", "path");
  table.add("cores", &cores,
            "of points: processor cores that all ranks shared, where nodes are parts of one machine; 0: none "
            "shared");
  table.add("tiles", &tiles, "tiles to draw: reconstructions of an MP-MAE, attention of TerraFM; 0: none",
            "tiles");
  if (!context.faults.read(table, arguments, context.out, "report")) return static_cast<int>(ExitCode::kDone);
  if (tiles < 0) throw UsageError("--tiles must be 0 or more", {"read the command line", "tiles", ""});
  if (cores < 0) throw UsageError("--cores must be 0 or more", {"read the command line", "cores", ""});
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);
  std::erase(more, "");
  if (!more.empty() || is_points_file(run)) {
    more.insert(more.begin(), run);
    report_sweep(context, table, more, output, cores);
    return static_cast<int>(ExitCode::kDone);
  }

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
