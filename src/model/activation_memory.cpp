#include <terramill/model/activation_memory.hpp>
#include <terramill/model/sites.hpp>

#include <algorithm>

namespace terramill::model {
namespace {

constexpr std::int64_t kConvnextExpansion = 4;
constexpr std::int64_t kTeacherViews = 2;
/// Of a site's number and slot (SiteLevel), and with its map of its window.
constexpr std::int64_t kIndexBytes = 16;
constexpr std::int64_t kSiteBytes = 4 * kDepthwiseWindow * kDepthwiseWindow + kIndexBytes;

std::int64_t hidden_of(const TerrafmConfig& config) {
  return static_cast<std::int64_t>(static_cast<double>(config.embed_dim) * config.mlp_ratio);
}

/// Rounded weights that products keep, of `weights` numbers.
std::int64_t rounded(std::int64_t weights, const ComputeForm& form) {
  return form.bfloat16 ? 2 * weights / form.tp : 0;
}

std::int64_t attention_matrix(const TerrafmConfig& config, std::int64_t samples, std::int64_t tokens,
                              const ComputeForm& form) {
  if (form.fused_attention) return 0;
  // The softmax, and its rounded copy for the product.
  return samples * config.heads * tokens * tokens * (form.element + (form.bfloat16 ? 2 : 0)) / form.tp;
}

/// What one block is: what it keeps, what of that is its input, what its backward pass needs in passing, and
/// its weights.
struct Block {
  std::int64_t whole, input, gradients, weights;
};

void add_blocks(ActivationBytes& sum, std::int64_t count, const Block& block, const ComputeForm& form) {
  sum.kept += count * (form.recompute ? block.input : block.whole);
  // A recomputed block gives the gradients of all its weights at once.
  const std::int64_t again = block.whole + block.weights * form.element / form.tp;
  sum.transient = std::max(sum.transient, block.gradients + (form.recompute ? again : 0));
}

/// `first`, then `second`, whose backward pass comes first and frees what it kept.
ActivationBytes in_order(const ActivationBytes& first, const ActivationBytes& second) {
  return {first.kept + second.kept, std::max(second.transient, first.transient - second.kept)};
}

}  // namespace

std::int64_t vit_block_bytes(const TerrafmConfig& config, std::int64_t samples, std::int64_t tokens,
                             const ComputeForm& form) {
  const std::int64_t d = config.embed_dim, rows = samples * tokens, hidden = hidden_of(config);
  const std::int64_t residuals = 2 * rows * d * form.element;  // the inputs of both norms
  const std::int64_t norms = 2 * rows * d * form.operand();    // their outputs
  // query, key and value, what attention gives, and the MLP's hidden layer before and after gelu
  const std::int64_t split = rows * (4 * d + 2 * hidden) * form.operand() / form.tp;
  return residuals / form.tp + norms + split + attention_matrix(config, samples, tokens, form) +
         rounded(4 * d * d + 2 * d * hidden, form);
}

ActivationBytes terrafm_activations(const TerrafmConfig& config, std::int64_t samples, std::int64_t size,
                                    const std::vector<Sensor>& sensors, const ComputeForm& form) {
  const std::int64_t side = size / config.patch_size, patches = samples * side * side;
  const std::int64_t d = config.embed_dim, wide = config.attn_dim(), operand = form.operand();
  const auto several = static_cast<std::int64_t>(sensors.size());
  ActivationBytes sum;
  for (const Sensor sensor : sensors) {
    const std::int64_t bands = kSensorBands[static_cast<std::size_t>(sensor)];
    // patches; tokens and their values
    const std::int64_t inputs = bands * config.patch_size * config.patch_size;
    sum.kept += patches * operand * (inputs + 2 * wide / form.tp) + rounded(wide * (inputs + wide), form);
  }
  if (several > 1) {
    // the values side by side; per query the attended one, normalised, and its share of the pool
    const std::int64_t queries = config.fusion_queries;
    sum.kept += patches * wide * (several * operand + queries * (form.element + 2 * operand)) / form.tp;
  } else {
    sum.kept += patches * wide * form.element / form.tp;
  }
  sum.kept += patches * 2 * wide * operand / form.tp;  // the inputs of the last two projections
  sum.kept += rounded(wide * (wide + d), form);

  const std::int64_t tokens = side * side + 1, rows = samples * tokens;
  const std::int64_t hidden = hidden_of(config);
  const std::int64_t gradients = 2 * rows * d * form.element +
                                 rows * (2 * hidden + 3 * d) * operand / form.tp +
                                 2 * attention_matrix(config, samples, tokens, form);
  add_blocks(sum, config.depth,
             {vit_block_bytes(config, samples, tokens, form), rows * d * form.element, gradients,
              4 * d * d + 2 * d * hidden},
             form);
  sum.kept += rows * d * form.element;  // the last block's output
  return sum;
}

std::int64_t convnext_block_bytes(std::int64_t rows, std::int64_t channels, const ComputeForm& form) {
  const std::int64_t operand = form.operand(), hidden = kConvnextExpansion * channels;
  // input and depthwise output; the norm's output; the hidden layer, gelu's and GRN's output
  return rows * channels * (2 * form.element + operand) + 3 * rows * hidden * operand / form.tp +
         rounded(2 * channels * hidden, form);
}

ActivationBytes mpmae_activations(const MpmaeConfig& config, std::int64_t samples, std::int64_t size,
                                  double mask_ratio, const ComputeForm& form) {
  const std::int64_t side = size / config.patch_size, patches = samples * side * side;
  const auto shown = static_cast<std::int64_t>(static_cast<double>(side * side) * (1 - mask_ratio)) * samples;
  const std::int64_t pixels = config.patch_size * config.patch_size, element = form.element;
  const auto& dims = config.size.dims;
  ActivationBytes stem, stages, decoder, heads;
  const auto add_stage = [&](ActivationBytes& sum, std::int64_t rows, std::int64_t channels,
                             std::int64_t blocks) {
    const std::int64_t gradients =
        rows * channels * 2 * element + 2 * rows * kConvnextExpansion * channels * element / form.tp;
    add_blocks(sum, blocks,
               {convnext_block_bytes(rows, channels, form), rows * channels * element, gradients,
                2 * kConvnextExpansion * channels * channels},
               form);
    sum.kept += rows * (channels * element + kSiteBytes);  // what the last block gives, and the sites
  };

  // The masked image, whole; its active pixels after convolution, norm, gelu, and as cells.
  stem.kept += patches * pixels * config.in_channels * (element + form.operand());
  const std::int64_t cells = shown * pixels;
  stem.kept += cells * (config.use_orig_stem ? config.in_channels * form.operand()
                                             : dims[0] * 4 * element + kIndexBytes);
  stem.transient =
      config.use_orig_stem ? 0 : 2 * patches * pixels * dims[0] * element;  // the dense convolution

  std::int64_t sites = cells / (config.stem_stride() * config.stem_stride());
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) {
      stages.kept += sites * dims[i - 1] * form.operand();  // normalised, as cells
      sites /= 4;
    }
    add_stage(stages, sites, dims[i], config.size.depths[i]);
  }
  add_stage(decoder, patches, config.decoder_width, config.decoder_depth);

  const std::int64_t removed = patches - shown;
  heads.kept += removed * config.decoder_width * form.operand() + patches * config.decoder_width * element;
  for (const MpmaeTarget& target : config.targets) {
    if (!target.is_pixel()) continue;
    const std::int64_t values = removed * pixels * target.channels;
    // Continuous: prediction, target and error. Classes: scores and their logarithms.
    const bool classes = target.kind == TargetKind::kCategoricalPixel;
    heads.kept += values * element * (classes ? 2 : 3);
    heads.transient = std::max(heads.transient, 2 * values * element);
  }
  return in_order(in_order(in_order(stem, stages), decoder), heads);
}

ActivationBytes dino_activations(std::int64_t samples, std::int64_t views, std::int64_t hidden,
                                 std::int64_t bottleneck, std::int64_t out, const ComputeForm& form) {
  const std::int64_t rows = views * samples, element = form.element, scores = rows * out * element / form.tp;
  const std::int64_t teacher = kTeacherViews * samples * out * element / form.tp;
  const std::int64_t prototypes = out * bottleneck * element / form.tp;
  ActivationBytes sum;
  sum.kept = 4 * rows * hidden * form.operand() / form.tp  // both hidden layers before and after gelu
             + 2 * scores + prototypes                     // the student's scores, their logarithms
             + 2 * teacher + teacher / 2;  // the teacher's, its softmax, the sum of both views'
  sum.kept += scores + teacher;            // of the micro-batch before
  sum.transient = 2 * scores + 2 * prototypes;
  return sum;
}

}  // namespace terramill::model
