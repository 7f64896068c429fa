#include <terramill/core/error.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace terramill::train {

namespace {

void add_model_options(OptionTable& table, ModelOptions& o) {
  table.add("model.family", &o.family, "kind of model", "", {"mpmae"});
  table.add("model.size", &o.size, "ConvNeXt V2 size: depths and widths of the encoder's stages", "",
            {"atto", "femto", "pico", "nano", "tiny", "base", "large", "huge"});
  table.add("model.depths", &o.depths, "blocks of the four stages, in place of the size's",
            "comma-separated");
  table.add("model.dims", &o.dims, "channels of the four stages, in place of the size's", "comma-separated");
  table.add("model.image_size", &o.image_size, "edge of the random crop; 0: the whole tile", "pixels");
  table.add("model.patch_size", &o.patch_size, "edge of a patch, a multiple of 8", "pixels");
  table.add("model.input", &o.input, "input modality; empty: the corpus's first optical one");
  table.add("model.input_bands", &o.input_bands, "input bands by name; empty: all, without B10 of sentinel2",
            "comma-separated");
  table.add("model.targets", &o.targets, "modalities to reconstruct; empty: all that the corpus has",
            "comma-separated");
  table.add("model.decoder_width", &o.decoder_width, "channels of the shared decoder");
  table.add("model.decoder_depth", &o.decoder_depth, "blocks of the shared decoder");
  table.add("model.mask_ratio", &o.mask_ratio, "share of patches removed from the input");
  table.add("model.norm_pix", &o.norm_pix, "normalise reflectance targets per patch");
  table.add("model.aggregation", &o.aggregation, "how the targets' losses become one", "",
            {"uncertainty", "unweighted"});
  table.add(
      "model.missing", &o.missing,
      "missing target values: skip empty targets, also mask missing pixels, or the reference's arithmetic",
      "", {"skip", "mask", "reference"});
  table.add("model.use_orig_stem", &o.use_orig_stem, "one strided convolution as the stem");
}

void add_train_options(OptionTable& table, TrainOptions& o) {
  table.add("train.micro_batch_size", &o.micro_batch_size, "tiles computed at once; part of the recipe",
            "tiles");
  table.add("train.micro_batches", &o.micro_batches, "micro-batches of a global batch; replicas share them");
  table.add("train.epochs", &o.epochs, "length of the schedule", "epochs");
  table.add("train.steps", &o.steps, "length of the schedule in place of train.epochs, when > 0", "steps");
  table.add("train.warmup_epochs", &o.warmup_epochs, "linear warm-up", "epochs");
  table.add("train.warmup_steps", &o.warmup_steps, "in place of train.warmup_epochs, when >= 0", "steps");
  table.add("train.base_lr", &o.base_lr, "peak learning rate per 256 tiles of the global batch");
  table.add("train.lr", &o.lr, "peak learning rate, in place of train.base_lr, when > 0");
  table.add("train.min_lr", &o.min_lr, "learning rate at the end of the schedule");
  table.add("train.beta1", &o.beta1, "AdamW: decay of the first moment");
  table.add("train.beta2", &o.beta2, "AdamW: decay of the second moment");
  table.add("train.epsilon", &o.epsilon, "AdamW: epsilon");
  table.add("train.weight_decay", &o.weight_decay, "AdamW: decoupled weight decay");
  table.add("train.seed", &o.seed, "of initial weights, crops and masks");
  table.add("train.precision", &o.precision, "type of weights and arithmetic", "", {"float32", "float64"});
  table.add("train.reduction", &o.reduction,
            "exact: the same bits for any number of replicas; fast: MPI's or NCCL's sum", "",
            {"exact", "fast"});
  table.add("train.device", &o.device, "where to compute", "", {"auto", "cpu", "cuda"});
  table.add("train.intra_op_threads", &o.intra_op_threads, "LibTorch's threads per rank", "threads");
  table.add("train.stop_after", &o.stop_after, "end with a checkpoint and code 85 after this step, when > 0",
            "steps");
  table.add("train.validate_every", &o.validate_every, "validation interval; 0: at the end only", "steps");
  table.add("train.validation_tiles", &o.validation_tiles, "tiles of the validation split to use at most",
            "tiles");
}

/// Options that say where and how, not what: free to change between sessions of one run.
const std::set<std::string>& operational_options() {
  static const std::set<std::string> names = {"config",
                                              "corpus",
                                              "output",
                                              "resume",
                                              "init-from",
                                              "json",
                                              "print-config",
                                              "help",
                                              "train.device",
                                              "train.reduction",
                                              "train.intra_op_threads",
                                              "train.stop_after",
                                              "train.validate_every",
                                              "checkpoint.every",
                                              "checkpoint.keep",
                                              "loader.threads",
                                              "loader.prefetch",
                                              "loader.open_shards",
                                              "loader.verify",
                                              "loader.max_bad_rate"};
  return names;
}

void demand(bool holds, const std::string& option, const std::string& rule) {
  if (!holds) throw UsageError(option + " must be " + rule, {"check the configuration", option, ""});
}

}  // namespace

void add_options(OptionTable& table, PretrainConfig& config) {
  table.add("corpus", &config.corpus, "corpus folder, as `corpus build` left it", "path");
  table.add("output", &config.output, "run folder: configuration, metrics, checkpoints", "path");
  table.add("resume", &config.resume, "go on from the run's newest checkpoint; start where there is none");
  table.add("init-from", &config.init_from,
            "start from these weights: a checkpoint, a run or a .safetensors file", "path");
  table.add("plan", &config.plan, "replay this plan (terramill sample) in every epoch", "path");
  add_model_options(table, config.model);
  add_train_options(table, config.train);
  table.add("checkpoint.every", &config.checkpoint.every, "checkpoint interval; 0: at the end only", "steps");
  table.add("checkpoint.keep", &config.checkpoint.keep, "newest checkpoints to keep");
  loader::add_options(table, config.loader, "loader.");
  sampling::add_options(table, config.sampling, "sampling.");
  table.require("corpus");
  table.require("output");
}

std::vector<std::pair<std::string, std::string>> hyper_parameters(const OptionTable& table) {
  std::vector<std::pair<std::string, std::string>> result;
  for (auto& entry : table.values()) {
    if (!operational_options().contains(entry.first)) result.push_back(std::move(entry));
  }
  return result;
}

void validate(const PretrainConfig& config) {
  const ModelOptions& m = config.model;
  const TrainOptions& t = config.train;
  demand(m.patch_size >= 8 && m.patch_size % 8 == 0, "model.patch_size", "a multiple of 8");
  demand(m.image_size >= 0 && m.image_size % m.patch_size == 0, "model.image_size",
         "a multiple of model.patch_size");
  demand(m.mask_ratio > 0 && m.mask_ratio < 1, "model.mask_ratio", "between 0 and 1");
  demand(m.decoder_width >= 1, "model.decoder_width", "at least 1");
  demand(m.decoder_depth >= 1, "model.decoder_depth", "at least 1");
  demand(t.micro_batch_size >= 1, "train.micro_batch_size", "at least 1");
  demand(t.micro_batches >= 1, "train.micro_batches", "at least 1");
  demand(t.steps > 0 || t.epochs > 0, "train.epochs", "positive");
  demand(t.steps >= 0, "train.steps", "0 or more");
  demand(t.warmup_epochs >= 0, "train.warmup_epochs", "0 or more");
  demand(t.lr > 0 || t.base_lr > 0, "train.base_lr", "positive");
  demand(t.beta1 >= 0 && t.beta1 < 1, "train.beta1", "in [0, 1)");
  demand(t.beta2 >= 0 && t.beta2 < 1, "train.beta2", "in [0, 1)");
  demand(t.epsilon > 0, "train.epsilon", "positive");
  demand(t.intra_op_threads >= 1, "train.intra_op_threads", "at least 1");
  demand(t.validate_every >= 0, "train.validate_every", "0 or more");
  demand(t.validation_tiles >= 0, "train.validation_tiles", "0 or more");
  demand(config.checkpoint.every >= 0, "checkpoint.every", "0 or more");
  demand(config.checkpoint.keep >= 1, "checkpoint.keep", "at least 1");
}

}  // namespace terramill::train
