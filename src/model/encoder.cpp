#include <terramill/model/encoder.hpp>
#include <terramill/model/precision.hpp>
#include <terramill/model/recompute.hpp>

#include <utility>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr std::int64_t kInitialWindow = 3;
constexpr std::int64_t kDownsample = 2;

using Parts = std::shared_ptr<torch::nn::ModuleListImpl>;

/// A convolution and its norm, as children 0 and 1 of a list named `name`.
std::pair<std::shared_ptr<SparseKernel>, std::shared_ptr<Wrapped<Norm>>> add_stem(
    torch::nn::Module& parent, const std::string& name, at::IntArrayRef kernel_shape, std::int64_t out) {
  const Parts list = parent.register_module(name, std::make_shared<torch::nn::ModuleListImpl>());
  auto convolution = std::make_shared<SparseKernel>(kernel_shape, out);
  auto norm = std::make_shared<Wrapped<Norm>>("ln", out);
  list->push_back(std::shared_ptr<torch::nn::Module>(convolution));
  list->push_back(std::shared_ptr<torch::nn::Module>(norm));
  return {convolution, norm};
}

/// Features of the active sites as an image [B, C, H, W].
at::Tensor to_image(const at::Tensor& rows, const SiteLevel& level) {
  return scatter_rows(rows, level.sites, level.grid_sites())
      .view({level.batch, level.height, level.width, rows.size(1)})
      .permute({0, 3, 1, 2});
}

void record(EncoderTrace* trace, const at::Tensor& rows, const SiteLevel& level) {
  if (trace != nullptr) {
    trace->stages.push_back(to_image(rows.detach(), level));
    trace->active.push_back(to_image(at::ones({rows.size(0), 1}, rows.options()), level).to(at::kBool));
  }
}

}  // namespace

MaskedEncoder::MaskedEncoder(const MpmaeConfig& config, const parallel::TensorGroup& group)
    : patch_size_(config.patch_size), stem_stride_(config.stem_stride()) {
  const auto& dims = config.size.dims;
  const auto downsampling =
      register_module("downsample_layers", std::make_shared<torch::nn::ModuleListImpl>());
  for (std::size_t i = 0; i + 1 < dims.size(); ++i) {
    const auto layer = std::make_shared<torch::nn::ModuleListImpl>();
    downsampling->push_back(std::shared_ptr<torch::nn::Module>(layer));
    downsample_norms_.push_back(std::make_shared<Wrapped<Norm>>("ln", dims[i]));
    downsample_convolutions_.push_back(std::make_shared<SparseKernel>(
        at::IntArrayRef{kDownsample * kDownsample, dims[i], dims[i + 1]}, dims[i + 1]));
    layer->push_back(std::shared_ptr<torch::nn::Module>(downsample_norms_.back()));
    layer->push_back(std::shared_ptr<torch::nn::Module>(downsample_convolutions_.back()));
  }

  const std::int64_t cell = stem_stride_ * stem_stride_;
  if (config.use_orig_stem) {
    // MinkowskiEngine stores a 1 × 1 kernel without its first axis.
    const std::vector<std::int64_t> shape =
        cell == 1 ? std::vector{config.in_channels, dims[0]} : std::vector{cell, config.in_channels, dims[0]};
    std::tie(stem_orig_, stem_orig_norm_) = add_stem(*this, "stem_orig", shape, dims[0]);
  } else {
    std::tie(initial_conv_, initial_norm_) = add_stem(
        *this, "initial_conv", {kInitialWindow * kInitialWindow, config.in_channels, dims[0]}, dims[0]);
    std::tie(stem_, stem_norm_) = add_stem(*this, "stem", {cell, dims[0]}, dims[0]);
  }

  const auto stages = register_module("stages", std::make_shared<torch::nn::ModuleListImpl>());
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const auto list = std::make_shared<torch::nn::ModuleListImpl>();
    stages->push_back(std::shared_ptr<torch::nn::Module>(list));
    stages_.emplace_back();
    for (std::int64_t j = 0; j < config.size.depths[i]; ++j) {
      stages_.back().push_back(std::make_shared<SparseBlock>(dims[i], group));
      list->push_back(std::shared_ptr<torch::nn::Module>(stages_.back().back()));
    }
  }
}

at::Tensor MaskedEncoder::embed(const at::Tensor& masked, const std::vector<SiteLevel>& levels) const {
  const SiteLevel &pixels = levels[0], &first = levels[1];
  const std::int64_t cell = stem_stride_ * stem_stride_;
  const auto to_cells = [&](const at::Tensor& rows) {
    return cell == 1 ? rows
                     : scatter_rows(rows, pixels.cell_slots, first.active_sites() * cell)
                           .view({first.active_sites(), cell * rows.size(1)});
  };
  if (stem_orig_) {
    const at::Tensor rows =
        masked.permute({0, 2, 3, 1}).reshape({pixels.grid_sites(), -1}).index_select(0, pixels.sites);
    return stem_orig_norm_->forward(stem_orig_->on_cells(to_cells(rows)));
  }
  const at::Tensor& kernel = initial_conv_->kernel;
  // [kw, kh, I, O] -> [O, I, kh, kw]
  const at::Tensor weight =
      kernel.view({kInitialWindow, kInitialWindow, kernel.size(1), kernel.size(2)}).permute({3, 2, 1, 0});
  const at::Tensor dense = at::conv2d(masked.contiguous(at::MemoryFormat::ChannelsLast), weight,
                                      initial_conv_->bias.view(-1), 1, kInitialWindow / 2)
                               .permute({0, 2, 3, 1})
                               .reshape({pixels.grid_sites(), kernel.size(2)});
  const at::Tensor rows = at::gelu(initial_norm_->forward(gather_rows(dense, pixels.sites)));
  return stem_norm_->forward(stem_->depthwise_on_cells(to_cells(rows)));
}

at::Tensor MaskedEncoder::forward(const at::Tensor& images, const at::Tensor& mask,
                                  EncoderTrace* trace) const {
  const std::int64_t batch = images.size(0), channels = images.size(1);
  const std::int64_t height = images.size(2) / patch_size_, width = images.size(3) / patch_size_;
  const at::Tensor keep = (1 - mask.to(images.dtype())).view({batch, 1, height, 1, width, 1});
  const at::Tensor masked =
      (images.reshape({batch, channels, height, patch_size_, width, patch_size_}) * keep)
          .view({batch, channels, height * patch_size_, width * patch_size_});
  const at::Tensor active = masked.detach().ne(0).any(1);
  // Pixels, then the four stages; with a stem of stride 1 the first two coincide.
  const std::vector<SiteLevel> levels =
      site_levels(active, {stem_stride_, kDownsample, kDownsample, kDownsample},
                  {false, true, true, true, true}, images.device());

  if (gate_) {
    for (const auto& child : named_children()) {
      if (child.key() != "stages" && child.key() != "downsample_layers") gate_(child.value()->parameters());
    }
  }
  at::Tensor rows = embed(masked, levels);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const SiteLevel& level = levels[i + 1];
    if (i > 0) {
      if (gate_) {
        gate_(downsample_norms_[i - 1]->parameters());
        gate_(downsample_convolutions_[i - 1]->parameters());
      }
      const at::Tensor cells = scatter_rows(downsample_norms_[i - 1]->forward(rows), levels[i].cell_slots,
                                            level.active_sites() * kDownsample * kDownsample)
                                   .view({level.active_sites(), kDownsample * kDownsample * rows.size(1)});
      rows = widened(downsample_convolutions_[i - 1]->on_cells(cells));
    }
    for (const auto& block : stages_[i]) {
      if (gate_) gate_(block->parameters());
      const auto forward = [block, level](const at::Tensor& in) { return block->forward(in, level); };
      rows = recomputing_ ? recompute(*block, forward, rows) : forward(rows);
    }
    record(trace, rows, level);
  }
  const SiteLevel& last = levels.back();
  return scatter_rows(rows, last.sites, last.grid_sites()).view({batch, height, width, rows.size(1)});
}

}  // namespace terramill::model
