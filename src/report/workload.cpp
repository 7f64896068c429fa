#include <terramill/corpus/schema.hpp>
#include <terramill/model/mpmae_config.hpp>
#include <terramill/model/terrafm_config.hpp>
#include <terramill/report/workload.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace terramill::report {

namespace {

constexpr double kMebibyte = 1 << 20;
constexpr int kSmallTile = 64, kMmearthTile = 128, kMajortomTile = 264;

// The backward pass takes twice the forward pass (Kaplan et al. 2020, section 2.1).
constexpr double kForwardAndBackward = 3;

// Kernels that PyTorch starts, about: counted in profiles of such blocks, rounded.
constexpr double kVitBlockKernels = 20, kConvBlockKernels = 25, kTargetKernels = 30, kOtherKernels = 300;

double number(std::int64_t value) { return static_cast<double>(value); }
double square(double value) { return value * value; }
/// Parameters of a linear layer with a bias.
double linear(double in, double out) { return in * out + out; }

// --- TerraFM ---

/// Sizes of a TerraFM and what of them counts.
struct Terrafm {
  model::TerrafmConfig model;
  train::DinoOptions dino;
  double sensors = 0, bands = 0;      ///< trained together
  double shown = 0, shown_bands = 0;  ///< in a view, expected
  double joint = 0;                   ///< of `shown`, in views with several

  double width() const { return number(model.embed_dim); }
  double wide() const { return number(model.attn_dim()); }
  double hidden() const { return std::floor(width() * model.mlp_ratio); }
  double patch_pixels() const { return square(number(model.patch_size)); }
  double tokens(int pixels) const {
    return square(std::floor(number(pixels) / number(model.patch_size))) + 1;
  }
  double views() const { return 2 + dino.local_crops; }
};

/// A number of sensors drawn as multi_crop.cpp does: each with probability p, and one of them where none is.
Terrafm terrafm_of(const train::PretrainConfig& config) {
  Terrafm t;
  t.model = model::terrafm_size(config.model.size);
  t.model.image_size = config.model.image_size;
  t.model.patch_size = config.model.patch_size;
  if (config.terrafm.embed_dim > 0) t.model.embed_dim = config.terrafm.embed_dim;
  if (config.terrafm.depth > 0) t.model.depth = config.terrafm.depth;
  if (config.terrafm.heads > 0) t.model.heads = config.terrafm.heads;
  t.model.fusion_queries = config.terrafm.fusion_queries;
  t.model.fusion_heads = config.terrafm.fusion_heads;
  model::check(t.model);
  t.dino = config.dino;
  std::vector<model::Sensor> used;
  for (const std::string& word : split_list(config.terrafm.sensors)) used.push_back(model::sensor_from(word));
  if (used.empty()) used = {model::Sensor::kS1, model::Sensor::kS2L2a, model::Sensor::kS2L1c};
  t.sensors = static_cast<double>(used.size());
  for (const model::Sensor sensor : used)
    t.bands += number(model::kSensorBands[static_cast<std::size_t>(sensor)]);
  const double p = config.dino.sensor_probability, none = std::pow(1 - p, t.sensors);
  t.shown = t.sensors * p + none;
  t.shown_bands = t.bands * t.shown / t.sensors;
  t.joint = t.shown - t.sensors * p * std::pow(1 - p, t.sensors - 1) - none;
  return t;
}

double vit_block_flops(const Terrafm& t, double n) {
  return 2 * n * (4 * square(t.width()) + 2 * t.width() * t.hidden()) + 4 * square(n) * t.width();
}

/// Stems and projections of a view of n tokens, without fusion.
double embedding_flops(const Terrafm& t, double n) {
  return 2 * (n - 1) *
         (t.shown_bands * t.patch_pixels() * t.wide() + (t.shown + 1) * square(t.wide()) +
          t.wide() * t.width());
}

/// The fusion's scores (see SensorFusion::scores).
double fusion_flops(const Terrafm& t, double n) {
  return 2 * (n - 1) * t.joint * t.wide() * number(t.model.fusion_heads * t.model.fusion_queries);
}

double prototypes(const Terrafm& t) { return number(t.dino.bottleneck_dim) * t.dino.out_dim; }

void count_parameters(const Terrafm& t, Workload& work) {
  const double d = t.width(), wide = t.wide(), h = t.hidden(), depth = number(t.model.depth);
  const double all_bands = number(model::kSensorBands[0] + model::kSensorBands[1] + model::kSensorBands[2]);
  const double hidden = t.dino.hidden_dim, low = t.dino.bottleneck_dim;
  const double queries = number(t.model.fusion_queries);
  const double stems = all_bands * t.patch_pixels() * wide + 6 * wide;  // with biases and sensor embeddings
  const double matrices = 4 * square(d) + 2 * d * h;
  const double projections = 2 * square(wide) + wide + wide * d;
  work.split_parameters = stems + projections + (queries > 0 ? square(wide) : 0) +
                          depth * (matrices + 3 * d + h) + linear(d, hidden) + square(hidden) + prototypes(t);
  // On every rank: token, positions, norms, the biases of row-parallel layers, queries and pool of the
  // fusion.
  const double positions = (square(number(t.model.grid())) + 1) * d;
  const double fusion = queries > 0 ? (queries + 1) * wide : 0;
  const double embedding = d + positions + 2 * wide + d + fusion;
  const double blocks = depth * 6 * d;
  const double head = hidden + linear(hidden, low);
  const double norms = t.dino.norm_last_layer ? 0 : t.dino.out_dim;
  work.parameters = work.split_parameters + embedding + blocks + 2 * d + head + norms;
  work.teacher_parameters = work.parameters + (t.dino.norm_last_layer ? t.dino.out_dim : 0);
}

void count_terrafm(const train::PretrainConfig& config, Workload& work) {
  const Terrafm t = terrafm_of(config);
  count_parameters(t, work);
  const double d = t.width(), wide = t.wide(), depth = number(t.model.depth), crops = t.dino.local_crops;
  const double global = t.tokens(config.model.image_size), local = t.tokens(config.dino.local_size);
  // A sum over the student's views, and one over the teacher's two.
  const auto student = [&](auto of) { return 2 * of(global) + crops * of(local); };
  const auto teacher = [&](auto of) { return 2 * of(global); };
  const auto blocks = [&](double n) { return depth * vit_block_flops(t, n); };
  const auto embedding = [&](double n) { return embedding_flops(t, n); };
  const auto fusion = [&](double n) { return fusion_flops(t, n); };
  const double weighted_views = kForwardAndBackward * t.views() + 2;
  const auto both = [&](auto of) { return kForwardAndBackward * student(of) + teacher(of); };
  const double hidden = config.dino.hidden_dim, bottleneck = hidden * config.dino.bottleneck_dim;
  work.split_flops = both(blocks) + both(embedding) + both(fusion) +
                     weighted_views * 2 * (d * hidden + square(hidden) + prototypes(t));
  work.flops = work.split_flops + weighted_views * 2 * bottleneck;
  work.block_forward_flops = student(blocks);

  // Korthikanti et al. 2022, equation 1, without dropout: 16 n d + a n² elements of a block.
  const auto kept = [&](double n) { return 16 * n * d + number(t.model.heads) * square(n); };
  work.activations = depth * student(kept);
  work.block_inputs = depth * student([&](double n) { return n * d; });
  work.largest_block = 2 * kept(global);
  work.other_activations =
      student([&](double n) {
        return (n - 1) * (t.shown_bands * t.patch_pixels() + (2 * t.shown + 3) * wide + d);
      }) +
      t.views() * (3 * t.dino.hidden_dim + t.dino.bottleneck_dim + 2 * t.dino.out_dim);

  // Korthikanti et al. 2022, section 4.2.2: two pairs of all-gather and reduce-scatter in a block's forward
  // pass, as many in its backward pass; in the embedding an all-reduce after proj1 and half of one after
  // proj3.
  const double passes = crops > 0 ? 2 : 1;
  work.tensor_calls = depth * (8 * passes + 4) + 6 * passes + 3;
  const auto block_elements = [&](double n) { return depth * 4 * n * d; };
  const auto embedding_elements = [&](double n) { return (n - 1) * (2 * t.shown * wide + d); };
  work.tensor_elements = 2 * student(block_elements) + teacher(block_elements) +
                         2 * student(embedding_elements) + teacher(embedding_elements);
  work.kernels = kVitBlockKernels * depth * (kForwardAndBackward * passes + 1) + kOtherKernels;
  work.tp_divides = t.model.heads;
}

// --- MP-MAE ---

/// Parameters of a ConvNeXt V2 block of c channels.
double conv_block(double c) { return 49 * c + c + 2 * c + linear(c, 4 * c) + 8 * c + linear(4 * c, c); }
double conv_block_flops(double c) { return 2 * (49 * c + 8 * square(c)); }
/// Elements kept of it per site: input, depthwise and normalised C each; GELU's and GRN's 4 C each.
constexpr double kConvKept = 15;

/// Heads of so many outputs are split (docs/parallel.md).
constexpr double kSplitHead = 256;

std::vector<model::MpmaeTarget> targets_of(const train::ModelOptions& options) {
  std::vector<std::string> names;
  for (const model::MpmaeTarget& target : model::mmearth_targets()) {
    const auto chosen = options.target.find(target.name);
    if (chosen != options.target.end() && !chosen->second.empty()) names.push_back(target.name);
  }
  return names.empty() ? model::mmearth_targets() : model::select_targets(model::mmearth_targets(), names);
}

model::EncoderSize size_of(const train::ModelOptions& options) {
  model::EncoderSize size = model::encoder_size(options.size);
  const auto read = [](const std::string& text, std::vector<std::int64_t>& into) {
    if (text.empty()) return;
    into.clear();
    for (const std::string& word : split_list(text)) into.push_back(std::stoll(word));
  };
  read(options.depths, size.depths);
  read(options.dims, size.dims);
  return size;
}

void count_mpmae(const train::PretrainConfig& config, int tile_size, Workload& work) {
  const train::ModelOptions& o = config.model;
  model::MpmaeConfig m;
  m.size = size_of(o);
  m.patch_size = o.patch_size;
  m.use_orig_stem = o.use_orig_stem;
  m.decoder_width = o.decoder_width;
  m.decoder_depth = o.decoder_depth;
  m.targets = targets_of(o);
  model::check(m);

  const double pixels = o.image_size > 0 ? o.image_size : tile_size, bands = number(m.in_channels);
  const double patches = square(std::floor(pixels / number(m.patch_size))), kept = 1 - o.mask_ratio;
  const double first = number(m.size.dims[0]), cell = square(number(m.stem_stride()));
  double forward = 0, split_forward = 0;
  if (m.use_orig_stem) {
    work.parameters = cell * bands * first + 3 * first;
    forward = 2 * square(pixels) * kept * bands * first;
  } else {
    work.parameters = 9 * bands * first + 3 * first + cell * first + 3 * first;
    forward = 2 * square(pixels) * (9 * bands + kept) * first;
  }
  work.other_activations = square(pixels) * (bands + 3 * first);

  double side = pixels / number(m.stem_stride()), blocks = 0;
  const auto add_blocks = [&](double depth, double sites, double c) {
    work.parameters += depth * conv_block(c);
    work.split_parameters += depth * (8 * square(c) + 4 * c + 8 * c);
    work.block_forward_flops += depth * sites * conv_block_flops(c);
    forward += depth * sites * 2 * 49 * c;
    split_forward += depth * sites * 16 * square(c);
    work.activations += depth * sites * kConvKept * c;
    work.block_inputs += depth * sites * c;
    work.largest_block = std::max(work.largest_block, sites * kConvKept * c);
    // An all-reduce of the output and one of the GRN's mean, in both passes, as two calls each.
    work.tensor_calls += 8 * depth;
    work.tensor_elements += 4 * depth * sites * c;
    blocks += depth;
  };
  for (std::size_t i = 0; i < m.size.dims.size(); ++i, side /= 2) {
    const double c = number(m.size.dims[i]), sites = square(side) * kept;
    if (i > 0) {
      const double before = number(m.size.dims[i - 1]);
      work.parameters += 2 * before + linear(4 * before, c);
      forward += 2 * sites * 4 * before * c;
      work.other_activations += sites * 8 * before;
    }
    add_blocks(number(m.size.depths[i]), sites, c);
  }

  const double width = number(m.decoder_width), last = number(m.size.dims.back());
  work.parameters += width + linear(last, width);
  if (o.aggregation == "uncertainty") work.parameters += static_cast<double>(m.targets.size());
  forward += 2 * patches * last * width;
  add_blocks(number(m.decoder_depth), patches, width);
  bool image_level = false;
  for (const model::MpmaeTarget& target : m.targets) {
    const double out = number(target.channels) * (target.is_pixel() ? square(number(m.patch_size)) : 1);
    const double rows = target.is_pixel() ? patches * o.mask_ratio : 1;
    work.parameters += linear(width, out);
    work.split_parameters += out >= kSplitHead ? linear(width, out) : 0;
    (out >= kSplitHead ? split_forward : forward) += 2 * rows * width * out;
    work.other_activations += rows * (width + 3 * out);
    image_level = image_level || !target.is_pixel();
  }
  if (image_level) work.parameters += 2 * width;
  // The heads' input takes its gradient from all ranks.
  work.tensor_calls += 2;
  work.tensor_elements += 2 * patches * width;

  work.split_flops = kForwardAndBackward * split_forward;
  work.flops = kForwardAndBackward * (forward + split_forward);
  work.kernels = kForwardAndBackward * (kConvBlockKernels * blocks) +
                 kTargetKernels * static_cast<double>(m.targets.size()) + kOtherKernels;
  work.tp_divides = 4 * m.size.dims[0];
}

double bytes_of(const corpus::Schema& schema, const std::vector<std::string>& modalities) {
  double bytes = 0;
  for (const std::string& name : modalities) {
    if (const corpus::Modality* modality = schema.find(name))
      bytes += static_cast<double>(schema.tile_bytes(*modality));
  }
  return bytes;
}

}  // namespace

std::string product_type(const train::TrainOptions& options) {
  return options.bfloat16() ? "bfloat16" : options.precision;
}

Workload count_workload(const train::PretrainConfig& config, const std::string& name, int tile_size) {
  train::validate(config);
  Workload work;
  work.family = config.model.family;
  work.name = name;
  work.micro_batch_size = config.train.micro_batch_size;
  work.micro_batches = config.train.micro_batches;
  work.precision = product_type(config.train);
  work.reduction = config.train.reduction;
  work.gradient_bytes = config.train.reduction_dtype == "bfloat16" ? 2 : 4;
  if (config.train.bucket != "auto") work.bucket_bytes = std::stod(config.train.bucket) * kMebibyte;
  work.recompute = config.train.activation_checkpointing;
  work.checkpoint_every = config.checkpoint.every_steps();
  if (work.family == "terrafm") {
    count_terrafm(config, work);
    work.tile_bytes = bytes_of(corpus::majortom_schema(tile_size > 0 ? tile_size : kMajortomTile),
                               {"s2_l1c", "s2_l2a", "s1_rtc"});
  } else {
    const int side = tile_size > 0                          ? tile_size
                     : config.model.image_size > kSmallTile ? kMmearthTile
                                                            : kSmallTile;
    count_mpmae(config, side, work);
    std::vector<std::string> read{"sentinel2"};
    for (const model::MpmaeTarget& target : targets_of(config.model)) {
      if (target.name != "sentinel2") read.push_back(target.name);
    }
    work.tile_bytes = bytes_of(corpus::mmearth_schema(side), read);
  }
  return work;
}

}  // namespace terramill::report
