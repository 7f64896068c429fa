#include <terramill/corpus/schema.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/recipe_options.hpp>

#include <vector>

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
            "on GPUs: end the process whose collective takes longer; 0: twice fault.limit", "seconds");
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

void add_fault_options(OptionTable& table, FaultOptions& o) {
  table.add("fault.guard", &o.guard,
            "roll back and replay a step whose loss or gradient is not finite or spikes, and skip its batch "
            "when that "
            "recurs; otherwise such a step ends the run");
  table.add("fault.spike_z", &o.spikes.spike_z,
            "a loss so many robust deviations above the median of the window is a spike; 0: no test");
  table.add("fault.norm_z", &o.spikes.norm_z, "the same for the gradient's norm");
  table.add("fault.window", &o.spikes.window, "window of both", "steps");
  table.add("fault.max_skips", &o.max_skips, "more skipped batches than these end the run with code 87");
  table.add("fault.skip_batches", &o.skip_batches, "steps whose batch is passed over in any case",
            "comma-separated");
  table.add("fault.hash_every", &o.hash_every,
            "interval at which each rank checks that its state is what the step before left; 0: none",
            "steps");
  table.add("fault.compare_every", &o.compare_every,
            "interval at which the replicas compare their states, also before checkpoints; 0: none", "steps");
  table.add("fault.sample_log", &o.sample_log, "folder for what each replica consumed; empty: none", "path");
}

void add_checkpoint_options(OptionTable& table, CheckpointOptions& o) {
  table.add("checkpoint.every", &o.every,
            "checkpoint interval; 0: at the end only; auto: Young's, by what a checkpoint is seen to cost",
            "steps");
  table.add("checkpoint.mtbf", &o.mtbf, "mean time between failures of the job, for the automatic interval",
            "hours");
  table.add("checkpoint.keep", &o.keep, "newest checkpoints to keep");
  table.add("checkpoint.keep_every", &o.keep_every,
            "keep for ever the first checkpoint from each multiple of this on; 0: none", "steps");
  table.add("checkpoint.async", &o.async, "write checkpoints behind the next steps");
  table.add("checkpoint.local", &o.local,
            "folder on the nodes' own disks for further checkpoints; empty: none", "path");
  table.add("checkpoint.local_every", &o.local_every, "interval of those", "steps");
  table.add("checkpoint.parity_set", &o.parity_set,
            "nodes that keep a parity of each other's, so that one may be lost; 0: none", "nodes");
  table.add("checkpoint.failure_group", &o.failure_group,
            "of this node, such as its switch: parity sets take nodes of different groups");
}

}  // namespace

OptionTable pretrain_options(PretrainConfig& config) {
  OptionTable table(
      "terramill pretrain --config F.ini --corpus CORPUS --output RUN [--resume | --init-from W]",
      "Pretrains MP-MAE or TerraFM on a corpus, on any number of ranks.");
  table.add("corpus", &config.corpus, "corpus folder, as `corpus build` left it", "path");
  table.add("output", &config.output, "run folder: configuration, metrics, checkpoints", "path");
  table.add("resume", &config.resume, "go on from the run's newest checkpoint; start where there is none");
  table.add("init-from", &config.init_from,
            "start from these weights: a checkpoint, a run or a .safetensors file", "path");
  add_recipe_options(table, config);
  fault::add_options(table, config.fault, fault::Watch::kOn);
  add_fault_options(table, config.fault);
  table.require("corpus");
  table.require("output");
  return table;
}

void add_recipe_options(OptionTable& table, PretrainConfig& config) {
  table.add("plan", &config.plan, "replay this plan (terramill sample) in every epoch", "path");
  add_model_options(table, config.model);
  add_band_options(table, config.model);
  add_terrafm_options(table, config.terrafm);
  add_dino_options(table, config.dino);
  add_train_options(table, config.train);
  add_checkpoint_options(table, config.checkpoint);
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

}  // namespace terramill::train
