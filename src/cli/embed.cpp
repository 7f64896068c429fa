#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/scene.hpp>
#include <terramill/eval/embed.hpp>
#include <terramill/eval/embed_scene.hpp>
#include <terramill/eval/feature_model.hpp>

#include <algorithm>
#include <ostream>

namespace terramill::cli {
namespace {

struct Options {
  std::string checkpoint, corpus, output;
  eval::FeatureModelOptions model;
  eval::EmbedOptions tiles;
  std::string scene, mapping, place, modality = "s2_l2a", bands;
  int window = 0, batch = 16;
  eval::SceneOptions map;
};

void add_options(OptionTable& table, Options& o) {
  table.add("checkpoint", &o.checkpoint, "run folder of pretrain, or a checkpoint's folder", "path");
  table.require("checkpoint");
  table.add("output", &o.output, "file to write: .parquet or .h5 of a corpus, .tif of a scene", "path");
  table.require("output");
  table.add("corpus", &o.corpus, "corpus whose tiles are embedded", "path");
  table.add("pooling", &o.tiles.pooling,
            "of a tile's patches; dense: all of them (.h5); auto: cls of TerraFM, mean of MP-MAE", "",
            {"auto", "cls", "mean", "dense"});
  table.add("split", &o.tiles.split, "which tiles", "", {"all", "train", "validation", "test"});
  table.add("weights", &o.model.weights, "TerraFM: whose weights", "", {"teacher", "student"});
  table.add("sensor", &o.model.sensor, "TerraFM: sensors to look at; empty: all that are there",
            "comma-separated");
  table.add("input", &o.model.input, "MP-MAE: modality to look at; empty: the one of training");
  table.add("image-size", &o.model.image_size, "centred window of a tile; 0: the tile, in whole patches",
            "pixels");
  table.add("scene", &o.scene, "raster file, or folder with --mapping: a feature map of all of it", "path");
  table.add("mapping", &o.mapping, "scene: INI that says what the folder's rasters are", "path");
  table.add("place", &o.place, "scene: which place of the folder; empty: its only one");
  table.add("modality", &o.modality, "scene: what the raster file holds", "", {"s2_l1c", "s2_l2a", "s1_rtc"});
  table.add("bands", &o.bands, "scene: the file's bands in order, - for others; empty: as it describes them",
            "comma-separated");
  table.add("window", &o.window, "scene: computed at once; 0: 224, or as much as the scene has", "pixels");
  table.add("stride", &o.map.stride, "scene: between windows; 0: half a window", "pixels");
  table.add("components", &o.map.components, "scene: write so many principal components; 0: every feature");
  table.add("batch-size", &o.batch, "tiles or windows computed at once", "tiles");
  table.add("threads", &o.tiles.threads, "reading threads per rank", "threads");
  table.add("intra-op-threads", &o.tiles.intra_op_threads, "LibTorch's threads per rank", "threads");
  table.add("device", &o.model.device, "where to compute", "", {"auto", "cpu", "cuda"});
}

int embed_tiles(const Context& context, Options& o, bool json) {
  o.tiles.corpus = o.corpus;
  o.tiles.output = o.output;
  o.tiles.micro_batch_size = o.batch;
  if (o.tiles.pooling == "auto") o.tiles.pooling.clear();
  const auto model = eval::open_feature_model(o.model, o.corpus, context.world);
  const eval::EmbedSummary summary = eval::embed_corpus(context.world, *model, o.tiles);
  if (json) {
    context.out << dump_json({{"output", o.output},
                              {"tiles", summary.tiles},
                              {"without_input", summary.blind},
                              {"pooling", summary.pooling},
                              {"shape", summary.shape},
                              {"family", model->family()},
                              {"model", to_hex(model->weights_hash())}})
                << '\n';
  } else {
    context.out << "written: " << o.output << ", " << summary.pooling << " features of " << summary.tiles
                << " tiles, " << summary.shape.front() << " each, by model " << to_hex(model->weights_hash())
                << '\n';
  }
  return static_cast<int>(ExitCode::kDone);
}

corpus::RasterScene open_scene(const Options& o) {
  constexpr int kProvisional = 8;  // until the model's patch size is known
  if (o.mapping.empty())
    return corpus::RasterScene::open_raster(o.scene, o.modality, split_list(o.bands), kProvisional);
  corpus::SourceOptions source;
  source.kind = "geotiff";
  source.input = o.scene;
  source.mapping = o.mapping;
  source.tile_size = kProvisional;
  return corpus::RasterScene::open_mapped(source, o.place);
}

int embed_map(const Context& context, Options& o, bool json) {
  corpus::RasterScene scene = open_scene(o);
  scene.set_window(std::min(scene.grid().width, scene.grid().height));
  const auto model = eval::open_scene_model(o.model, scene, o.output, context.world);
  scene.set_window(eval::scene_window(o.window, model->patch_size(), scene.grid()));
  o.map.output = o.output;
  o.map.micro_batch_size = o.batch;
  o.map.intra_op_threads = o.tiles.intra_op_threads;
  const eval::SceneSummary summary = eval::embed_scene(context.world, *model, scene, o.map);
  if (json) {
    context.out << dump_json({{"output", o.output},
                              {"scene", scene.id()},
                              {"windows", summary.windows},
                              {"patches", summary.patches},
                              {"empty_patches", summary.empty_patches},
                              {"width", summary.grid.width},
                              {"height", summary.grid.height},
                              {"bands", summary.bands},
                              {"transform", summary.grid.transform},
                              {"crs", summary.grid.crs},
                              {"explained", summary.explained},
                              {"family", model->family()},
                              {"model", to_hex(model->weights_hash())}})
                << '\n';
  } else {
    context.out << "written: " << o.output << ", " << summary.bands << " bands of " << summary.grid.width
                << " x " << summary.grid.height << " patches from " << summary.windows << " windows, "
                << summary.empty_patches << " patches without data, by model "
                << to_hex(model->weights_hash()) << '\n';
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace

int embed(const Context& context, const std::vector<std::string>& arguments) {
  Options o;
  o.tiles.pooling = "auto";
  OptionTable table("terramill embed --checkpoint RUN (--corpus CORPUS | --scene PATH) --output FILE",
                    "Writes features of a corpus's tiles, or a feature map of a whole scene.");
  add_options(table, o);
  if (!context.faults.read(table, arguments, context.out, "embed", fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  mpi::require_agreement(context.world, table.values(), "embed");
  if (o.corpus.empty() == o.scene.empty()) {
    throw UsageError("either --corpus or --scene is needed", {"read the command line", "corpus", ""});
  }
  o.model.checkpoint = o.checkpoint;
  return o.corpus.empty() ? embed_map(context, o, table.json()) : embed_tiles(context, o, table.json());
}

}  // namespace terramill::cli
