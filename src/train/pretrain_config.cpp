#include <terramill/core/error.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/recipe_options.hpp>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

namespace terramill::train {

namespace {

void add_model_options(OptionTable& table, ModelOptions& o) {
  table.add("model.family", &o.family, "kind of model; decides on the other defaults", "",
            {"mpmae", "terrafm"});
  table.add(
      "model.size", &o.size,
      "mpmae: ConvNeXt V2 size, depths and widths of the encoder's stages; terrafm: small, base or large", "",
      {"atto", "femto", "pico", "nano", "tiny", "small", "base", "large", "huge"});
  table.add("model.depths", &o.depths, "blocks of the four stages, in place of the size's",
            "comma-separated");
  table.add("model.dims", &o.dims, "channels of the four stages, in place of the size's", "comma-separated");
  table.add(
      "model.image_size", &o.image_size,
      "mpmae: edge of the random crop, 0: the whole tile; terrafm: of the global crops and the positions",
      "pixels");
  table.add("model.patch_size", &o.patch_size, "edge of a patch; mpmae: a multiple of 8", "pixels");
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

/// Every modality of every schema that can be an input or a target, in the schemas' order.
std::vector<corpus::Modality> known_modalities() {
  std::vector<corpus::Modality> known;
  for (const corpus::Schema& schema : {corpus::mmearth_schema(64), corpus::majortom_schema(64)}) {
    for (const corpus::Modality& modality : schema.modalities) {
      if (modality.kind != corpus::Kind::kMask && modality.name != "sentinel2_scl") known.push_back(modality);
    }
  }
  return known;
}

void add_band_options(OptionTable& table, ModelOptions& o) {
  const std::vector<corpus::Modality> known = known_modalities();
  for (const corpus::Modality& modality : known) {
    if (!modality.pixel || modality.kind != corpus::Kind::kContinuous) continue;
    table.add("input." + modality.name, &o.input[modality.name],
              "bands of " + modality.name + " to look at, or all", "comma-separated");
  }
  for (const corpus::Modality& modality : known) {
    table.add("target." + modality.name, &o.target[modality.name],
              "bands of " + modality.name + " to reconstruct, or all", "comma-separated");
  }
  for (const corpus::Modality& modality : known) {
    table.add("weight." + modality.name, &o.weight.try_emplace(modality.name, 1.0).first->second,
              "factor on the loss of " + modality.name);
  }
}

void add_terrafm_options(OptionTable& table, TerrafmOptions& o) {
  table.add("terrafm.embed_dim", &o.embed_dim, "width of the tokens, in place of the size's, when > 0");
  table.add("terrafm.depth", &o.depth, "blocks, in place of the size's, when > 0");
  table.add("terrafm.heads", &o.heads, "attention heads, in place of the size's, when > 0");
  table.add("terrafm.drop_path", &o.drop_path, "drop-path rate of the student's last block");
  table.add("terrafm.fusion_queries", &o.fusion_queries,
            "learned queries that fuse the sensors of a position");
  table.add("terrafm.fusion_heads", &o.fusion_heads, "attention heads of the fusion");
  table.add("terrafm.sensors", &o.sensors, "s1, s2_l2a, s2_l1c; empty: all that the corpus has",
            "comma-separated");
  table.add(
      "terrafm.s2_stem", &o.s2_stem,
      "sensor: Sentinel-2 goes through the stem of its product; l1c: always through L1C's, as the official "
      "forward does",
      "", {"sensor", "l1c"});
}

void add_dino_options(OptionTable& table, DinoOptions& o) {
  table.add("dino.hidden_dim", &o.hidden_dim, "width of the head's hidden layers");
  table.add("dino.bottleneck_dim", &o.bottleneck_dim, "width of the head's last layer's input");
  table.add("dino.out_dim", &o.out_dim, "prototypes");
  table.add("dino.norm_last_layer", &o.norm_last_layer, "keep the prototypes' norms at 1");
  table.add("dino.local_crops", &o.local_crops, "local crops per tile; 0: none");
  table.add("dino.local_size", &o.local_size, "edge of a local crop", "pixels");
  table.add("dino.global_scale_min", &o.global_scale_min, "least share of the tile's area in a global crop");
  table.add("dino.local_scale_min", &o.local_scale_min, "least share of the tile's area in a local crop");
  table.add("dino.local_scale_max", &o.local_scale_max, "largest share of the tile's area in a local crop");
  table.add("dino.vertical_flip", &o.vertical_flip, "also flip crops vertically");
  table.add("dino.rotate", &o.rotate, "also rotate crops by quarter turns");
  table.add("dino.sensor_probability", &o.sensor_probability,
            "probability of each sensor in each view, for student and teacher by themselves");
  table.add("dino.student_temperature", &o.student_temperature, "of the student's softmax");
  table.add("dino.teacher_temperature_start", &o.teacher_temperature_start,
            "of the teacher's softmax, first epoch");
  table.add("dino.teacher_temperature", &o.teacher_temperature,
            "of the teacher's softmax, after its warm-up");
  table.add("dino.teacher_temperature_epochs", &o.teacher_temperature_epochs,
            "warm-up of the teacher's temperature", "epochs");
  table.add("dino.teacher_momentum", &o.teacher_momentum,
            "share of itself that the teacher keeps in a step, at the start; 1 at the end");
  table.add("dino.centre_momentum", &o.centre_momentum, "of the centre of the teacher's outputs");
  table.add("dino.high_centre_momentum", &o.high_centre_momentum,
            "of the centre over frequent land-cover classes");
  table.add("dino.centre_share", &o.centre_share,
            "share of the general centre in what is subtracted from the teacher's outputs; 1: plain DINO");
  table.add("dino.high_share", &o.high_share,
            "land-cover classes are frequent that hold this share of the tiles, largest first");
  table.add("dino.clip", &o.clip, "largest gradient norm of each parameter; 0: no clipping");
  table.add("dino.freeze_last_layer", &o.freeze_last_layer, "hold the prototypes during the first epochs",
            "epochs");
  table.add("dino.weight_decay_end", &o.weight_decay_end, "weight decay at the end of its cosine");
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
  table.add("train.weight_decay", &o.weight_decay, "AdamW: decoupled weight decay; terrafm: at the start");
  table.add("train.seed", &o.seed, "of initial weights, crops and masks");
  table.add(
      "train.precision", &o.precision,
      "type of weights and arithmetic; bf16: float32 weights, bfloat16 matrix products and convolutions", "",
      {"float32", "float64", "bf16"});
  table.add("train.reduction", &o.reduction,
            "exact: the same bits for any number of replicas; fast: MPI's or NCCL's sum", "",
            {"exact", "fast"});
  table.add(
      "train.activation_checkpointing", &o.activation_checkpointing,
      "keep only the blocks' inputs and compute them again in the backward pass: less memory, the same bits");
  table.add("train.reduction_dtype", &o.reduction_dtype,
            "type in which replicas exchange gradients; bfloat16 with train.reduction fast alone", "",
            {"float32", "bfloat16"});
  table.add("train.tp", &o.tp, "tensor-parallel ranks that share each replica's layers; divides the ranks",
            "ranks");
  table.add("train.zero", &o.zero,
            "ZeRO-1: each replica keeps the optimiser's state of its share of the parameters only");
  table.add("train.bucket", &o.bucket, "gradients are reduced in buckets of this size; auto: by measurement",
            "MiB");
  table.add("train.deterministic", &o.deterministic,
            "on GPUs, only operations that repeat their bits; needs CUBLAS_WORKSPACE_CONFIG=:4096:8");
  table.add("train.ignore_memory_estimate", &o.ignore_memory_estimate,
            "begin although the estimate says that memory will not do");
  table.add("train.collective_timeout", &o.collective_timeout,
            "on GPUs: end the process whose collective takes longer; 0: c10d's 600", "seconds");
  table.add("train.flight_recorder", &o.flight_recorder,
            "on GPUs: collectives to keep for OUTPUT/flight-recorder when one fails; 0: as c10d chooses");
  table.add("train.nan_check", &o.nan_check, "on GPUs: end the process that sends a NaN to others");
  table.add("train.device", &o.device, "where to compute", "", {"auto", "cpu", "cuda"});
  table.add(
      "train.peak", &o.peak,
      "peak rate that MFU is measured by: auto (data sheet of the GPU; none on a CPU), measure (a short "
      "matrix product at the start), or a number",
      "TFLOP/s per rank");
  table.add("train.intra_op_threads", &o.intra_op_threads, "LibTorch's threads per rank", "threads");
  table.add("train.stop_after", &o.stop_after, "end with a checkpoint and code 85 after this step, when > 0",
            "steps");
  table.add("train.validate_every", &o.validate_every, "validation interval; 0: at the end only", "steps");
  table.add("train.validation_tiles", &o.validation_tiles, "tiles of the validation split to use at most",
            "tiles");
  table.add("train.knn_every", &o.knn_every,
            "interval of kNN from training to validation tiles by frozen features, and at the end; 0: none",
            "steps");
  table.add("train.knn_tiles", &o.knn_tiles, "tiles of each split to use at most for it", "tiles");
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
                                              "train.activation_checkpointing",
                                              "train.bucket",
                                              "train.deterministic",
                                              "train.ignore_memory_estimate",
                                              "train.collective_timeout",
                                              "train.flight_recorder",
                                              "train.nan_check",
                                              "train.device",
                                              "train.reduction",
                                              "train.peak",
                                              "train.tp",
                                              "train.zero",
                                              "train.intra_op_threads",
                                              "train.stop_after",
                                              "train.validate_every",
                                              "train.knn_every",
                                              "train.knn_tiles",
                                              "checkpoint.every",
                                              "checkpoint.keep",
                                              "trace",
                                              "trace.begin",
                                              "trace.steps",
                                              "straggler.factor",
                                              "straggler.window",
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

void validate(const TerrafmOptions& o, const DinoOptions& d, const ModelOptions& m) {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  demand(m.size == "small" || m.size == "base" || m.size == "large", "model.size", "small, base or large");
  demand(m.patch_size >= 1, "model.patch_size", "at least 1");
  demand(m.image_size >= m.patch_size, "model.image_size", "at least one patch");
  demand(o.drop_path >= 0 && o.drop_path < 1, "terrafm.drop_path", "in [0, 1)");
  demand(o.fusion_queries >= 1, "terrafm.fusion_queries", "at least 1");
  demand(d.hidden_dim >= 1, "dino.hidden_dim", "at least 1");
  demand(d.bottleneck_dim >= 1, "dino.bottleneck_dim", "at least 1");
  demand(d.out_dim >= 2, "dino.out_dim", "at least 2");
  demand(d.local_crops >= 0, "dino.local_crops", "0 or more");
  demand(d.local_size >= m.patch_size, "dino.local_size", "at least one patch");
  demand(d.global_scale_min > 0 && d.global_scale_min <= 1, "dino.global_scale_min", "in (0, 1]");
  demand(d.local_scale_min > 0 && d.local_scale_min <= d.local_scale_max, "dino.local_scale_min",
         "positive and at most dino.local_scale_max");
  demand(d.local_scale_max <= 1, "dino.local_scale_max", "at most 1");
  demand(share(d.sensor_probability), "dino.sensor_probability", "in [0, 1]");
  demand(d.student_temperature > 0, "dino.student_temperature", "positive");
  demand(d.teacher_temperature_start > 0, "dino.teacher_temperature_start", "positive");
  demand(d.teacher_temperature > 0, "dino.teacher_temperature", "positive");
  demand(d.teacher_temperature_epochs >= 0, "dino.teacher_temperature_epochs", "0 or more");
  demand(share(d.teacher_momentum), "dino.teacher_momentum", "in [0, 1]");
  demand(share(d.centre_momentum), "dino.centre_momentum", "in [0, 1]");
  demand(share(d.high_centre_momentum), "dino.high_centre_momentum", "in [0, 1]");
  demand(share(d.centre_share), "dino.centre_share", "in [0, 1]");
  demand(share(d.high_share), "dino.high_share", "in [0, 1]");
  demand(d.clip >= 0, "dino.clip", "0 or more");
  demand(d.freeze_last_layer >= 0, "dino.freeze_last_layer", "0 or more");
  demand(d.weight_decay_end >= 0, "dino.weight_decay_end", "0 or more");
}

}  // namespace

void add_options(OptionTable& table, PretrainConfig& config) {
  table.add("corpus", &config.corpus, "corpus folder, as `corpus build` left it", "path");
  table.add("output", &config.output, "run folder: configuration, metrics, checkpoints", "path");
  table.add("resume", &config.resume, "go on from the run's newest checkpoint; start where there is none");
  table.add("init-from", &config.init_from,
            "start from these weights: a checkpoint, a run or a .safetensors file", "path");
  add_recipe_options(table, config);
  table.require("corpus");
  table.require("output");
}

void add_recipe_options(OptionTable& table, PretrainConfig& config) {
  table.add("plan", &config.plan, "replay this plan (terramill sample) in every epoch", "path");
  add_model_options(table, config.model);
  add_band_options(table, config.model);
  add_terrafm_options(table, config.terrafm);
  add_dino_options(table, config.dino);
  add_train_options(table, config.train);
  table.add("checkpoint.every", &config.checkpoint.every, "checkpoint interval; 0: at the end only", "steps");
  table.add("checkpoint.keep", &config.checkpoint.keep, "newest checkpoints to keep");
  table.add("trace", &config.trace, "record a trace of some steps into RUN/trace/trace.json");
  table.add("trace.begin", &config.tracing.begin, "steps of this session before the first traced one",
            "steps");
  table.add("trace.steps", &config.tracing.steps, "length of the trace", "steps");
  table.add("straggler.factor", &config.straggler.factor,
            "a rank is slow that needs this many times the other ranks' median; 0: no watch");
  table.add("straggler.window", &config.straggler.window, "interval of the watch for slow ranks", "steps");
  loader::add_options(table, config.loader, "loader.");
  sampling::add_options(table, config.sampling, "sampling.");
}

PretrainConfig defaults_of(const std::string& family) {
  PretrainConfig config;
  if (family == "mpmae") return config;
  if (family != "terrafm") {
    throw UsageError("\"" + family + "\" is no kind of model",
                     {"read the configuration", "model.family", "give mpmae or terrafm"});
  }
  config.model.family = family;
  config.model.size = "base";
  config.model.image_size = 224;
  config.model.patch_size = 16;
  TrainOptions& t = config.train;
  t.micro_batches = 64;
  t.epochs = 150;
  t.warmup_epochs = 10;
  t.base_lr = 5e-4;
  t.min_lr = 1e-6;
  t.beta2 = 0.999;
  t.weight_decay = 0.04;
  return config;
}

std::string family_of(const std::vector<std::string>& arguments) {
  PretrainConfig config;
  OptionTable table("", "");
  add_options(table, config);
  std::ostringstream nowhere;
  table.parse(arguments, nowhere);
  return config.model.family;
}

PretrainConfig recorded_config(const std::filesystem::path& run) {
  const std::vector<std::string> arguments{"--config", (run / "config.ini").string()};
  PretrainConfig config = defaults_of(family_of(arguments));
  OptionTable table("", "");
  add_options(table, config);
  std::ostringstream nowhere;
  table.parse(arguments, nowhere);
  config.output = run;
  return config;
}

std::vector<std::pair<std::string, std::string>> hyper_parameters(const OptionTable& table) {
  static const std::set<std::string> shared = {"model.family", "model.size", "model.image_size",
                                               "model.patch_size"};
  std::vector<std::pair<std::string, std::string>> all = table.values(), result;
  const auto family =
      std::find_if(all.begin(), all.end(), [](const auto& entry) { return entry.first == "model.family"; });
  const bool terrafm = family != all.end() && family->second == "terrafm";
  for (auto& entry : all) {
    const std::string& name = entry.first;
    const bool of_terrafm = name.starts_with("terrafm.") || name.starts_with("dino.");
    const bool of_mpmae = (name.starts_with("model.") && !shared.contains(name)) ||
                          name.starts_with("target.") || name.starts_with("weight.");
    if (operational_options().contains(name) || (terrafm ? of_mpmae : of_terrafm)) continue;
    result.push_back(std::move(entry));
  }
  return result;
}

void validate(const PretrainConfig& config) {
  const ModelOptions& m = config.model;
  const TrainOptions& t = config.train;
  if (m.family == "terrafm") {
    validate(config.terrafm, config.dino, m);
  } else {
    demand(m.patch_size >= 8 && m.patch_size % 8 == 0, "model.patch_size", "a multiple of 8");
    demand(m.size != "small", "model.size", "a size of ConvNeXt V2: small is one of terrafm");
  }
  demand(m.image_size >= 0 && m.image_size % m.patch_size == 0, "model.image_size",
         "a multiple of model.patch_size");
  demand(m.mask_ratio > 0 && m.mask_ratio < 1, "model.mask_ratio", "between 0 and 1");
  for (const auto& [name, weight] : m.weight) demand(weight >= 0, "weight." + name, "0 or more");
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
  demand(t.tp >= 1, "train.tp", "at least 1");
  demand(t.reduction_dtype == "float32" || t.reduction == "fast", "train.reduction_dtype",
         "float32 where train.reduction is exact");
  demand(t.collective_timeout >= 0, "train.collective_timeout", "0 or more");
  demand(t.flight_recorder >= 0, "train.flight_recorder", "0 or more");
  demand(t.intra_op_threads >= 1, "train.intra_op_threads", "at least 1");
  demand(t.validate_every >= 0, "train.validate_every", "0 or more");
  demand(t.validation_tiles >= 0, "train.validation_tiles", "0 or more");
  demand(t.knn_every >= 0, "train.knn_every", "0 or more");
  demand(t.knn_tiles >= 1, "train.knn_tiles", "at least 1");
  demand(config.tracing.begin >= 0, "trace.begin", "0 or more");
  demand(config.tracing.steps >= 1, "trace.steps", "at least 1");
  demand(config.straggler.factor == 0 || config.straggler.factor > 1, "straggler.factor", "above 1, or 0");
  demand(config.straggler.window >= 1, "straggler.window", "at least 1");
  demand(config.checkpoint.every >= 0, "checkpoint.every", "0 or more");
  demand(config.checkpoint.keep >= 1, "checkpoint.keep", "at least 1");
}

}  // namespace terramill::train
