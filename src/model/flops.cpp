#include <terramill/model/flops.hpp>
#include <terramill/model/sites.hpp>

#include <algorithm>
#include <array>

#include <torch/torch.h>

namespace terramill::model {

namespace {

constexpr double kExpansion = 4;       // of ConvNeXt V2's blocks
constexpr double kInitialWindow = 9;   // 3 x 3
constexpr double kDownsampleCell = 4;  // 2 x 2
constexpr double kDepthwiseTaps = static_cast<double>(kDepthwiseWindow * kDepthwiseWindow);

/// Sums products [rows, inner] times [inner, columns]; `gradients`: how many of the factors need one.
class Counter {
 public:
  explicit Counter(bool trained) : trained_(trained) {}

  void product(double rows, double inner, double columns, int gradients = 2) {
    const double once = 2 * rows * inner * columns;
    flops_.forward += once;
    if (trained_) flops_.backward += gradients * once;
  }
  const Flops& flops() const noexcept { return flops_; }

 private:
  bool trained_;
  Flops flops_;
};

/// Who has which sensor in a micro-batch.
struct SampleCounts {
  double all = 0, several = 0;  ///< samples; those with several sensors
  double sensors = 0;           ///< sensors that any sample has
  std::array<double, kSensors> having{},
      having_more{};  ///< samples with the sensor; those that have others, too
  std::int64_t height = 0, width = 0;
};

SampleCounts count_samples(const SensorImages& images) {
  SampleCounts counts;
  const auto first = std::find_if(images.images.begin(), images.images.end(),
                                  [](const at::Tensor& image) { return image.defined(); });
  if (first == images.images.end()) return counts;
  counts.all = static_cast<double>(first->size(0));
  counts.height = first->size(2);
  counts.width = first->size(3);
  at::Tensor has = images.present.defined()
                       ? images.present.clone()
                       : at::ones({first->size(0), static_cast<std::int64_t>(kSensors)}, at::kBool);
  for (std::size_t s = 0; s < kSensors; ++s) {
    if (!images.images[s].defined()) has.select(1, static_cast<std::int64_t>(s)).fill_(false);
  }
  const at::Tensor joint = has.sum(1).gt(1);
  counts.several = joint.sum().item<double>();
  for (std::size_t s = 0; s < kSensors; ++s) {
    const at::Tensor column = has.select(1, static_cast<std::int64_t>(s));
    counts.having[s] = column.sum().item<double>();
    counts.having_more[s] = column.logical_and(joint).sum().item<double>();
    if (counts.having[s] > 0) counts.sensors += 1;
  }
  return counts;
}

}  // namespace

Flops& Flops::operator+=(const Flops& other) noexcept {
  forward += other.forward;
  backward += other.backward;
  return *this;
}

Flops terrafm_flops(const TerrafmConfig& config, const SensorImages& images, bool trained) {
  const SampleCounts samples = count_samples(images);
  const auto width = static_cast<double>(config.embed_dim), wide = static_cast<double>(config.attn_dim());
  const double hidden = static_cast<double>(static_cast<std::int64_t>(width * config.mlp_ratio));
  const auto patch_area = static_cast<double>(config.patch_size * config.patch_size);
  const std::int64_t cells = samples.height / config.patch_size * (samples.width / config.patch_size);
  const auto positions = static_cast<double>(cells);
  const double patches = samples.all * positions;
  const double joint = samples.several * positions;
  const auto queries = static_cast<double>(config.fusion_queries);

  Counter count(trained);
  for (std::size_t s = 0; s < kSensors; ++s) {
    if (samples.having[s] == 0) continue;
    const double rows = samples.having[s] * positions;
    const auto bands = static_cast<double>(kSensorBands[s]);
    count.product(rows, bands * patch_area, wide, 1);  // an image needs no gradient
    count.product(rows, wide, wide);                   // proj1
    if (joint > 0) {
      count.product(queries, wide, wide);  // queries times the key's weights
      count.product(samples.having_more[s] * positions, wide,
                    queries * static_cast<double>(config.fusion_heads));
    }
  }
  if (joint > 0) {
    count.product(joint * queries, samples.sensors, wide);  // attended
    count.product(joint * queries, wide, 1);                // pool's weights
    count.product(joint, queries, wide);                    // pooled
  }
  count.product(patches, wide, wide);   // proj2
  count.product(patches, wide, width);  // proj3
  const std::int64_t stored = config.grid() * config.grid();
  if (cells != stored || samples.height != samples.width) {
    count.product(positions, static_cast<double>(stored), width, 1);  // the resizing matrix is constant
  }

  const double tokens = patches + samples.all;
  for (std::int64_t block = 0; block < config.depth; ++block) {
    count.product(tokens, width, 3 * width);
    count.product(tokens, width, positions + 1);  // queries by keys
    count.product(tokens, positions + 1, width);  // weights by values
    count.product(tokens, width, width);
    count.product(tokens, width, hidden);
    count.product(tokens, hidden, width);
  }
  return count.flops();
}

Flops dino_head_flops(const DinoHeadConfig& config, std::int64_t rows, bool trained) {
  const auto n = static_cast<double>(rows), hidden = static_cast<double>(config.hidden_dim);
  const auto low = static_cast<double>(config.bottleneck_dim);
  Counter count(trained);
  count.product(n, static_cast<double>(config.in_dim), hidden);
  count.product(n, hidden, hidden);
  count.product(n, hidden, low);
  count.product(n, low, static_cast<double>(config.out_dim));
  return count.flops();
}

Flops mpmae_flops(const MpmaeConfig& config, const MpmaeWork& work) {
  const auto kept = static_cast<double>(work.patches - work.removed);
  const auto patch_area = static_cast<double>(config.patch_size * config.patch_size);
  const auto stem_cell = static_cast<double>(config.stem_stride() * config.stem_stride());
  const auto dim = [&](std::size_t stage) { return static_cast<double>(config.size.dims[stage]); };
  const auto bands = static_cast<double>(config.in_channels);

  Counter count(/*trained=*/true);
  double sites = kept * patch_area / stem_cell;
  if (config.use_orig_stem) {
    count.product(sites, stem_cell * bands, dim(0), 1);
  } else {
    count.product(kept * patch_area, kInitialWindow * bands, dim(0), 1);
    count.product(sites, stem_cell, dim(0));
  }
  const auto block = [&](double rows, double width) {
    count.product(rows, kDepthwiseTaps, width);
    count.product(rows, width, kExpansion * width);
    count.product(rows, kExpansion * width, width);
  };
  for (std::size_t stage = 0; stage < config.size.dims.size(); ++stage) {
    if (stage > 0) {
      sites /= kDownsampleCell;
      count.product(sites, kDownsampleCell * dim(stage - 1), dim(stage));
    }
    for (std::int64_t i = 0; i < config.size.depths[stage]; ++i) block(sites, dim(stage));
  }

  const auto all = static_cast<double>(work.patches), width = static_cast<double>(config.decoder_width);
  count.product(all, dim(config.size.dims.size() - 1), width);
  for (std::int64_t i = 0; i < config.decoder_depth; ++i) block(all, width);
  for (std::size_t t = 0; t < config.targets.size(); ++t) {
    if (!work.participates.at(t)) continue;
    const auto channels = static_cast<double>(config.targets[t].channels);
    if (config.targets[t].is_pixel()) {
      count.product(static_cast<double>(work.removed), width, patch_area * channels);
    } else {
      count.product(static_cast<double>(work.samples), width, channels);
    }
  }
  return count.flops();
}

}  // namespace terramill::model
