#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/find_tile.hpp>
#include <terramill/eval/feature_model.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/report/attention.hpp>
#include <terramill/report/reconstruction.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <filesystem>
#include <ostream>

namespace terramill::cli {
namespace {

namespace fs = std::filesystem;

/// The run's folder of a run's or a checkpoint's.
fs::path run_of(const fs::path& checkpoint) {
  const fs::path whole = fs::weakly_canonical(checkpoint);
  return fs::exists(whole / "config.ini") ? whole : whole.parent_path().parent_path();
}

/// Writes the pictures of one tile into a folder of its own.
class TileFolder {
 public:
  TileFolder(const fs::path& output, std::size_t number, const std::string& id, std::uint64_t row)
      : output_(output), name_(std::to_string(number)) {
    fs::create_directories(output / name_);
    entry_ = {{"tile_id", id}, {"row", row}, {"pictures", Json::array()}};
  }

  void add(const std::string& name, const std::string& what, const report::Picture& picture) {
    const std::string file = name_ + "/" + name + ".png";
    geo::write_png(output_ / file, picture.width, picture.height, picture.pixels);
    entry_["pictures"].push_back({{"file", file}, {"what", what}});
  }
  const Json& entry() const { return entry_; }

 private:
  fs::path output_;
  std::string name_;
  Json entry_;
};

Json show_attention(const eval::FeatureModel& model, const fs::path& corpus,
                    const std::vector<std::uint64_t>& rows, const fs::path& output) {
  Json tiles = Json::array();
  const auto drawn = report::draw_attention(model, corpus, rows);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    TileFolder folder(output, i, drawn[i].tile_id, rows[i]);
    folder.add("image", "input", drawn[i].image);
    folder.add("attention", "attention, mean over heads", drawn[i].mean);
    for (std::size_t head = 0; head < drawn[i].heads.size(); ++head) {
      folder.add("attention-" + std::to_string(head), "attention, head " + std::to_string(head),
                 drawn[i].heads[head]);
    }
    tiles.push_back(folder.entry());
  }
  return tiles;
}

Json show_reconstructions(const train::PretrainConfig& config, const std::vector<std::uint64_t>& rows,
                          const fs::path& output) {
  Json tiles = Json::array();
  const auto drawn = report::reconstruct(config, rows);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    TileFolder folder(output, i, drawn[i].tile_id, rows[i]);
    folder.add("visible", "visible patches of the input", drawn[i].visible);
    for (const report::ReconstructedModality& modality : drawn[i].modalities) {
      folder.add(modality.name + "-truth", modality.name + ", truth", modality.truth);
      folder.add(modality.name + "-prediction", modality.name + ", prediction of the removed patches",
                 modality.prediction);
    }
    tiles.push_back(folder.entry());
  }
  return tiles;
}

}  // namespace

int show(const Context& context, const std::vector<std::string>& arguments) {
  std::string checkpoint, corpus, output, ids;
  int tiles = 6;
  eval::FeatureModelOptions options;
  OptionTable table("terramill show --checkpoint RUN [--corpus CORPUS] --output FOLDER",
                    "Draws what TerraFM's last block attends to, or what an MP-MAE reconstructs.");
  table.add("checkpoint", &checkpoint, "run folder of pretrain, or a checkpoint's folder", "path");
  table.require("checkpoint");
  table.add("output", &output, "folder of the pictures and their index.json", "path");
  table.require("output");
  table.add("corpus", &corpus, "corpus to draw tiles of; empty: the run's own", "path");
  table.add("tiles", &tiles, "how many, evenly spaced over the validation split", "tiles");
  table.add("ids", &ids, "these tiles instead", "comma-separated");
  table.add("weights", &options.weights, "TerraFM: whose weights", "", {"teacher", "student"});
  table.add("sensor", &options.sensor, "TerraFM: sensors to look at; empty: all that are there",
            "comma-separated");
  table.add("image-size", &options.image_size, "TerraFM: centred window; 0: the tile, in whole patches",
            "pixels");
  if (!context.faults.read(table, arguments, context.out, "show")) return static_cast<int>(ExitCode::kDone);
  if (tiles < 1) throw UsageError("--tiles must be 1 or more", {"read the command line", "tiles", ""});
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);

  train::PretrainConfig config = train::recorded_config(run_of(checkpoint));
  if (!corpus.empty()) config.corpus = corpus;
  config.output = checkpoint;
  std::vector<std::uint64_t> rows;
  for (const std::string& id : split_list(ids)) rows.push_back(corpus::find_tile(config.corpus, id));
  if (rows.empty()) rows = report::rows_to_show(config.corpus, tiles);

  fs::create_directories(output);
  Json index = {{"family", config.model.family}};
  if (config.model.family == "terrafm") {
    options.checkpoint = checkpoint;
    const auto model = eval::open_feature_model(options, config.corpus, mpi::Communicator::self());
    index["model"] = to_hex(model->weights_hash());
    index["tiles"] = show_attention(*model, config.corpus, rows, output);
  } else {
    index["tiles"] = show_reconstructions(config, rows, output);
  }
  const fs::path file = fs::path(output) / "index.json";
  write_file_durably(file, dump_json(index, 2) + "\n");
  if (table.json()) {
    context.out << dump_json(index) << '\n';
  } else {
    context.out << "written: " << file.string() << ", pictures of " << rows.size() << " tiles\n";
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
