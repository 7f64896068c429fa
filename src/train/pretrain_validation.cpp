#include <terramill/core/error.hpp>
#include <terramill/fault/incidents.hpp>
#include <terramill/train/pretrain_config.hpp>

namespace terramill::train {

namespace {

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
  const FaultOptions& f = config.fault;
  demand(f.limit >= 0, "fault.limit", "0 or more");
  demand(f.spikes.spike_z >= 0, "fault.spike_z", "0 or more");
  demand(f.spikes.norm_z >= 0, "fault.norm_z", "0 or more");
  demand(f.spikes.window >= static_cast<int>(fault::Guard::kLeastSteps), "fault.window", "at least 20");
  demand(f.max_skips >= 0, "fault.max_skips", "0 or more");
  demand(f.hash_every >= 0, "fault.hash_every", "0 or more");
  demand(f.compare_every >= 0, "fault.compare_every", "0 or more");
  fault::parse_steps(f.skip_batches);  // throws for what is none
  config.checkpoint.every_steps();     // throws for what is none
  demand(config.checkpoint.mtbf > 0, "checkpoint.mtbf", "positive");
  demand(config.checkpoint.keep >= 1, "checkpoint.keep", "at least 1");
  demand(config.checkpoint.local_every >= 1, "checkpoint.local_every", "at least 1");
  demand(config.checkpoint.parity_set == 0 || config.checkpoint.parity_set >= 2, "checkpoint.parity_set",
         "0, or at least 2");
  demand(config.checkpoint.keep_every >= 0, "checkpoint.keep_every", "0 or more");
}

}  // namespace terramill::train
