#include "patch_fusion.hpp"
#include "position_resize.hpp"
#include "sensor_routes.hpp"
#include "vit_block.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/init.hpp>
#include <terramill/model/recompute.hpp>
#include <terramill/model/terrafm.hpp>

#include <algorithm>
#include <string>

#include <torch/torch.h>

namespace terramill::model {

struct Terrafm::Parts {
  at::Tensor cls_token, pos_embed;  // [1, 1, d], [1, N + 1, d]
  std::shared_ptr<PatchEmbed> patch_embed;
  std::vector<std::shared_ptr<VitBlock>> blocks;
  std::shared_ptr<Norm> norm;
  std::vector<double> drop_rates;
  PositionResizer resize;
  std::int64_t patch_size = 0;
  bool recomputing = false;
  parallel::TensorGroup group;
  Gate gate;

  void ready(const std::vector<at::Tensor>& parameters) const {
    if (gate) gate(parameters);
  }

  /// The input of block 0.
  at::Tensor tokens(const SensorImages& images, TerrafmTrace* trace) {
    const SensorRoutes routes(images, patch_size);
    ready({cls_token, pos_embed});
    ready(patch_embed->parameters());
    const at::Tensor patches = patch_embed->forward(images, routes, trace);
    const at::Tensor positions = resize(pos_embed, routes.height, routes.width, patch_size);
    at::Tensor tokens = at::cat({cls_token.expand({routes.batch, -1, -1}), patches}, 1) + positions;
    if (trace != nullptr) {
      trace->positions = positions;
      trace->tokens = tokens;
    }
    return tokens;
  }

  /// The rows of tokens [B, n + 1, d], and how they are spread over the group.
  TokenRows rows_of(const at::Tensor& tokens) const {
    return {tokens.size(0), tokens.size(1), parallel::RowRegion(group, tokens.size(0) * tokens.size(1))};
  }

  /// What a block's branches are multiplied by, two of [R, 1], or undefined.
  std::array<at::Tensor, 2> branch_scales(const at::Tensor& keep, std::size_t block, const TokenRows& shape,
                                          at::TensorOptions options) const {
    if (!keep.defined() || block == 0) {
      return {};
    }
    const at::Tensor scales =
        keep.narrow(0, 2 * static_cast<std::int64_t>(block - 1), 2).to(options) / (1 - drop_rates[block]);
    const auto by_row = [&](std::int64_t branch) {
      return shape.region.split(scales[branch].repeat_interleave(shape.tokens).unsqueeze(1));
    };
    return {by_row(0), by_row(1)};
  }

  /// This rank's rows after the first blocks, of which there are as many as `visit` allows: it is called
  /// with the number of each and what it gave, and says whether to go on.
  template <typename Visit>
  void run(const at::Tensor& tokens, const TokenRows& shape, const at::Tensor& keep, TerrafmTrace* trace,
           Visit visit) const {
    at::Tensor rows = shape.region.split(tokens.flatten(0, 1));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto scales = branch_scales(keep, i, shape, tokens.options());
      ready(blocks[i]->parameters());
      const auto block = [part = blocks[i], shape, scales, trace](const at::Tensor& in) {
        return part->forward(in, shape, scales[0], scales[1], trace);
      };
      rows = recomputing && trace == nullptr ? recompute(*blocks[i], block, rows) : block(rows);
      if (!visit(i, rows)) return;
    }
  }
};

Terrafm::Terrafm(TerrafmConfig config, const parallel::TensorGroup& group)
    : config_(config), parts_(std::make_shared<Parts>()) {
  check(config_);
  if (group.size() > std::min(config_.heads, config_.attn_dim())) {
    throw UsageError(std::to_string(group.size()) + " tensor-parallel ranks cannot share " +
                         std::to_string(config_.heads) + " attention heads",
                     {"split the encoder", "train.tp", "choose a train.tp of at most the number of heads"});
  }
  parts_->group = group;
  const std::int64_t width = config_.embed_dim;
  parts_->patch_size = config_.patch_size;
  parts_->drop_rates = drop_path_rates(config_);
  parts_->cls_token = register_parameter("cls_token", torch::zeros({1, 1, width}));
  parts_->pos_embed =
      register_parameter("pos_embed", torch::zeros({1, config_.grid() * config_.grid() + 1, width}));
  parts_->patch_embed = register_module("patch_embed", std::make_shared<PatchEmbed>(config_, group));
  const auto blocks = register_module("blocks", std::make_shared<torch::nn::ModuleListImpl>());
  for (std::int64_t i = 0; i < config_.depth; ++i) {
    parts_->blocks.push_back(std::make_shared<VitBlock>(config_, group));
    blocks->push_back(std::shared_ptr<torch::nn::Module>(parts_->blocks.back()));
  }
  parts_->norm = register_module("norm", std::make_shared<Norm>(width));
}

void Terrafm::initialise(std::uint64_t seed, const std::string& prefix) {
  const parallel::Placements placements = placements_of(*this);
  for (const auto& parameter : named_parameters()) {
    draw_parameter(parameter.value(), prefix + parameter.key(),
                   terrafm_distribution(parameter.key(), config_), seed,
                   parallel::find(placements, parameter.key()));
  }
}

void Terrafm::recompute_blocks(bool on) { parts_->recomputing = on; }

at::Tensor Terrafm::forward(const SensorImages& images, const at::Tensor& keep, TerrafmTrace* trace) const {
  const at::Tensor tokens = parts_->tokens(images, trace);
  if (keep.defined() && keep.sizes() != at::IntArrayRef{2 * (config_.depth - 1), tokens.size(0)}) {
    throw UsageError("drop path's masks are not [2 (depth - 1), B]", {"encode images", "", ""});
  }
  const TokenRows shape = parts_->rows_of(tokens);
  at::Tensor last;
  parts_->run(tokens, shape, keep, trace, [&](std::size_t, const at::Tensor& rows) {
    last = rows;
    return true;
  });
  return normalise(shape.region.pick(last, 0, shape.tokens));
}

std::vector<at::Tensor> Terrafm::block_outputs(const SensorImages& images,
                                               const std::vector<int>& blocks) const {
  const bool ascending = std::ranges::adjacent_find(blocks, std::ranges::greater_equal()) == blocks.end();
  if (blocks.empty() || !ascending || blocks.front() < 0 || blocks.back() >= config_.depth) {
    throw UsageError(
        "the blocks asked for are not ascending numbers from 0 to " + std::to_string(config_.depth - 1),
        {"take features of TerraFM", "", ""});
  }
  std::vector<at::Tensor> outputs;
  const at::Tensor tokens = parts_->tokens(images, nullptr);
  const TokenRows shape = parts_->rows_of(tokens);
  parts_->run(tokens, shape, {}, nullptr, [&](std::size_t i, const at::Tensor& rows) {
    if (blocks[outputs.size()] == static_cast<int>(i)) {
      outputs.push_back(shape.region.gather(rows).view_as(tokens));
    }
    return outputs.size() < blocks.size();
  });
  return outputs;
}

at::Tensor Terrafm::normalise(const at::Tensor& tokens) const {
  parts_->ready(parts_->norm->parameters());
  return parts_->norm->forward(tokens);
}

void Terrafm::set_gate(Gate gate) { parts_->gate = std::move(gate); }

std::vector<at::Tensor> Terrafm::feature_maps(const SensorImages& images,
                                              const std::vector<int>& blocks) const {
  const SensorRoutes routes(images, config_.patch_size);
  std::vector<at::Tensor> maps = block_outputs(images, blocks);
  for (at::Tensor& map : maps) {
    map = normalise(map)
              .narrow(1, 1, map.size(1) - 1)
              .transpose(1, 2)
              .reshape({routes.batch, config_.embed_dim, routes.height / config_.patch_size,
                        routes.width / config_.patch_size});
  }
  return maps;
}

at::Tensor Terrafm::last_self_attention(const SensorImages& images) const {
  const at::Tensor tokens = parts_->tokens(images, nullptr);
  const TokenRows shape = parts_->rows_of(tokens);
  TerrafmTrace trace;
  at::Tensor before = shape.region.split(tokens.flatten(0, 1));
  parts_->run(tokens, shape, {}, nullptr, [&](std::size_t i, const at::Tensor& rows) {
    if (i + 2 == parts_->blocks.size()) before = rows;
    return i + 2 < parts_->blocks.size();
  });
  parts_->blocks.back()->forward(before, shape, {}, {}, &trace);
  return trace.attention.back();
}

}  // namespace terramill::model
