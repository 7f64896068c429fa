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

  /// The input of block 0.
  at::Tensor tokens(const SensorImages& images, TerrafmTrace* trace) {
    const SensorRoutes routes(images, patch_size);
    const at::Tensor patches = patch_embed->forward(images, routes, trace);
    const at::Tensor positions = resize(pos_embed, routes.height, routes.width, patch_size);
    at::Tensor tokens = at::cat({cls_token.expand({routes.batch, -1, -1}), patches}, 1) + positions;
    if (trace != nullptr) {
      trace->positions = positions;
      trace->tokens = tokens;
    }
    return tokens;
  }

  /// What a block's branches are multiplied by, [2, B], or undefined.
  at::Tensor branch_scales(const at::Tensor& keep, std::size_t block, const at::Tensor& tokens) const {
    if (!keep.defined() || block == 0) {
      return {};
    }
    return keep.narrow(0, 2 * static_cast<std::int64_t>(block - 1), 2).to(tokens.options()) /
           (1 - drop_rates[block]);
  }
};

Terrafm::Terrafm(TerrafmConfig config) : config_(config), parts_(std::make_shared<Parts>()) {
  check(config_);
  const std::int64_t width = config_.embed_dim;
  parts_->patch_size = config_.patch_size;
  parts_->drop_rates = drop_path_rates(config_);
  parts_->cls_token = register_parameter("cls_token", torch::zeros({1, 1, width}));
  parts_->pos_embed =
      register_parameter("pos_embed", torch::zeros({1, config_.grid() * config_.grid() + 1, width}));
  parts_->patch_embed = register_module("patch_embed", std::make_shared<PatchEmbed>(config_));
  const auto blocks = register_module("blocks", std::make_shared<torch::nn::ModuleListImpl>());
  for (std::int64_t i = 0; i < config_.depth; ++i) {
    parts_->blocks.push_back(std::make_shared<VitBlock>(config_));
    blocks->push_back(std::shared_ptr<torch::nn::Module>(parts_->blocks.back()));
  }
  parts_->norm = register_module("norm", std::make_shared<Norm>(width));
}

void Terrafm::initialise(std::uint64_t seed, const std::string& prefix) {
  for (const auto& parameter : named_parameters()) {
    draw_parameter(parameter.value(), prefix + parameter.key(),
                   terrafm_distribution(parameter.key(), config_), seed);
  }
}

void Terrafm::recompute_blocks(bool on) { parts_->recomputing = on; }

at::Tensor Terrafm::forward(const SensorImages& images, const at::Tensor& keep, TerrafmTrace* trace) const {
  at::Tensor tokens = parts_->tokens(images, trace);
  if (keep.defined() && keep.sizes() != at::IntArrayRef{2 * (config_.depth - 1), tokens.size(0)}) {
    throw UsageError("drop path's masks are not [2 (depth - 1), B]", {"encode images", "", ""});
  }
  for (std::size_t i = 0; i < parts_->blocks.size(); ++i) {
    const at::Tensor scales = parts_->branch_scales(keep, i, tokens);
    const auto block = [block = parts_->blocks[i], scales, trace](const at::Tensor& in) {
      return scales.defined() ? block->forward(in, scales[0], scales[1], trace)
                              : block->forward(in, {}, {}, trace);
    };
    tokens = parts_->recomputing && trace == nullptr ? recompute(*parts_->blocks[i], block, tokens)
                                                     : block(tokens);
  }
  return normalise(tokens.select(1, 0));
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
  at::Tensor tokens = parts_->tokens(images, nullptr);
  for (int i = 0; outputs.size() < blocks.size(); ++i) {
    tokens = parts_->blocks[static_cast<std::size_t>(i)]->forward(tokens, {}, {}, nullptr);
    if (blocks[outputs.size()] == i) {
      outputs.push_back(tokens);
    }
  }
  return outputs;
}

at::Tensor Terrafm::normalise(const at::Tensor& tokens) const { return parts_->norm->forward(tokens); }

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
  at::Tensor tokens = parts_->tokens(images, nullptr);
  TerrafmTrace trace;
  for (const auto& block : parts_->blocks) {
    tokens = block->forward(tokens, {}, {}, block == parts_->blocks.back() ? &trace : nullptr);
  }
  return trace.attention.back();
}

}  // namespace terramill::model
