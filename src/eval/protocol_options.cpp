#include <terramill/eval/protocol.hpp>

#include <iomanip>
#include <ostream>
#include <sstream>

namespace terramill::eval {

namespace {

/// "64.3 [58.1, 70.2]": a share in percent.
std::string text_of(const Json& estimate, bool difference) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1);
  if (difference) text << std::showpos;
  text << 100 * estimate.at("mean").get<double>() << " [" << 100 * estimate.at("interval").at(0).get<double>()
       << ", " << 100 * estimate.at("interval").at(1).get<double>() << "]";
  return text.str();
}

void print_rows(std::ostream& out, const std::string& name, const Json& metrics, bool difference) {
  out << std::left << std::setw(30) << name;
  for (const auto& [metric, estimate] : metrics.items()) {
    if (metric == "micro_f1" && metrics.contains("accuracy")) continue;  // equal to the accuracy
    out << std::setw(24) << text_of(estimate, difference);
  }
  out << '\n';
}

}  // namespace

void add_options(OptionTable& table, EvaluationOptions& o, Classifier classifier) {
  table.add("checkpoint", &o.checkpoint, "run folder of pretrain, or a checkpoint's folder", "path");
  table.add("corpus", &o.corpus, "labelled corpus", "path");
  table.require("checkpoint");
  table.require("corpus");
  table.add("label", &o.labels.label, "what to tell: the corpus's labels, dominant land cover, or biome", "",
            {"label", "land_cover", "biome"});
  table.add("test-share", &o.labels.test_share,
            "keep this share of all tiles for the test, by hash of their id; 0: the corpus's test split");
  table.add("validation-share", &o.labels.validation_share,
            "share of the other tiles for validation, by hash, where the corpus's split holds none");
  table.add("split-seed", &o.labels.split_seed, "of the hashed splits");
  if (classifier == Classifier::kKnn) {
    table.add("k", &o.k, "neighbours that vote", "tiles");
    table.add("knn-temperature", &o.knn_temperature, "a neighbour votes with exp(similarity / temperature)");
  } else {
    table.add("epochs", &o.probe.epochs, "length of the probe's training", "epochs");
    table.add("probe-batch-size", &o.probe.batch_size, "tiles of a training batch", "tiles");
    table.add("warmup", &o.probe.warmup_share, "share of the epochs with rising learning rate");
    table.add("min-lr", &o.probe.min_lr, "learning rate at the end");
    table.add("weight-decay", &o.probe.weight_decay, "AdamW: decoupled weight decay");
    table.add("class-weights", &o.probe.class_weights, "of the loss; balanced: inverse to frequency", "",
              {"none", "balanced"});
  }
  table.add("pooling", &o.pooling,
            "feature of a tile: class token, mean over patches; auto: class token where there is one", "",
            {"auto", "cls", "mean"});
  table.add("weights", &o.model.weights, "TerraFM: whose weights", "", {"teacher", "student"});
  table.add("sensor", &o.model.sensor, "TerraFM: sensors to look at; empty: all that the corpus has",
            "comma-separated");
  table.add("input", &o.model.input, "MP-MAE: modality to look at; empty: the one of training");
  table.add("image-size", &o.model.image_size, "centred window; 0: the tile, in whole patches", "pixels");
  table.add("seed", &o.seed, "of untrained weights, probes and resamples");
  table.add("seeds", &o.seeds, "how many seeds to average over");
  table.add("bootstrap", &o.bootstrap, "resamples of the test tiles for intervals; 0: none");
  table.add("batch-size", &o.extraction.batch_size, "tiles computed at once", "tiles");
  table.add("device", &o.model.device, "where to compute", "", {"auto", "cpu", "cuda"});
  table.add("threads", &o.extraction.threads, "reading threads per rank", "threads");
  table.add("intra-op-threads", &o.intra_op_threads, "LibTorch's threads per rank", "threads");
}

void print_table(std::ostream& out, const Json& result) {
  const Json &protocol = result.at("protocol"), &split = result.at("split"), &results = result.at("results");
  out << protocol.at("classifier").get<std::string>() << " on " << result.at("label").get<std::string>()
      << ": " << result.at("classes").size() << " classes, " << split.at("training_tiles") << " training and "
      << split.at("test_tiles") << " test tiles, split " << split.at("hash").get<std::string>() << " ("
      << split.at("test").get<std::string>() << ")\n\n"
      << std::left << std::setw(30) << "percent [95 % interval]";
  const Json& metrics = results.front().at("metrics");
  for (const auto& [metric, estimate] : metrics.items()) {
    if (metric == "micro_f1" && metrics.contains("accuracy")) continue;
    out << std::setw(24) << metric;
  }
  out << '\n';
  for (const auto& [name, entry] : results.items()) {
    const std::size_t runs = entry.at("runs").size();
    print_rows(out, runs > 1 ? name + " (" + std::to_string(runs) + " seeds)" : name, entry.at("metrics"),
               false);
  }
  for (const auto& [name, entry] : result.at("differences").items()) print_rows(out, name, entry, true);
}

}  // namespace terramill::eval
