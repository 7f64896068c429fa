#include "bench/commands.hpp"
#include "commands.hpp"

namespace terramill::cli {

const std::vector<CommandEntry>& commands() {
  static const std::vector<CommandEntry> table = {
      {"corpus build", "build a corpus of HDF5 shards from raw tiles, or continue a build", corpus_build},
      {"corpus verify", "check every file, chunk and row of a corpus", corpus_verify},
      {"corpus info", "tell what a corpus holds", corpus_info},
      {"corpus merge", "join complete corpora into a new one", corpus_merge},
      {"corpus subset", "make a corpus of the tiles that pass the sampling filters", corpus_subset},
      {"corpus view", "make a folder through which the official reader or torchgeo reads a corpus",
       corpus_view},
      {"corpus synth", "invent raw tiles, or an index, of a world that does not exist", corpus_synth},
      {"tile show", "draw all modalities of a tile, or write them as GeoTIFFs", tile_show},
      {"sample", "plan an epoch: which tiles, in which order", sample},
      {"pretrain", "train a model on a corpus, or go on with a run", pretrain},
      {"eval knn", "test frozen features by nearest neighbours", eval_knn},
      {"eval linear", "test frozen features by a linear probe", eval_linear},
      {"embed", "write features of tiles, or a feature map of a scene", embed},
      {"show", "draw what a model attends to, or what it reconstructs", show},
      {"status", "tell how far a run is, the time left and its last checkpoint", status},
      {"checkpoint list", "list the checkpoints of a run", checkpoint_list},
      {"checkpoint verify", "check every byte of a run's checkpoints", checkpoint_verify},
      {"checkpoint show", "tell what a checkpoint holds", checkpoint_show},
      {"checkpoint prune", "remove checkpoints of a run, but those to keep", checkpoint_prune},
      {"report", "draw a run, or a scaling experiment, as an HTML page", report},
      {"bench", "measure training steps over layouts: a scaling experiment", bench},
      {"bench link", "measure the training's collectives beside those of MPI itself", bench_link},
      {"simulate", "predict speed and memory of layouts on a described machine", simulate},
      {"doctor", "tell versions and abilities of what Terramill stands on, and measure a file system",
       doctor},
  };
  return table;
}

}  // namespace terramill::cli
