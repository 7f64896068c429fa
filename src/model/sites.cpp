#include <terramill/model/sites.hpp>

#include <cstddef>

#include <torch/torch.h>

namespace terramill::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

at::Tensor scatter(const at::Tensor& rows, const at::Tensor& index, std::int64_t count) {
  return at::zeros({count, rows.size(1)}, rows.options()).index_copy_(0, index, rows);
}

struct GatherRows : Function<GatherRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows, const at::Tensor& index) {
    context->save_for_backward({index});
    context->saved_data["count"] = rows.size(0);
    return rows.index_select(0, index);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {scatter(gradients[0], context->get_saved_variables()[0], context->saved_data["count"].toInt()),
            {}};
  }
};

struct ScatterRows : Function<ScatterRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows, const at::Tensor& index,
                            std::int64_t count) {
    context->save_for_backward({index});
    return scatter(rows, index, count);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {gradients[0].index_select(0, context->get_saved_variables()[0]), {}, {}};
  }
};

/// Row numbers of the window around every site, from the map grid place -> row (or -1).
at::Tensor window_neighbours(const SiteLevel& level, const std::vector<std::int32_t>& row_at,
                             const std::vector<std::int64_t>& sites) {
  constexpr std::int64_t kReach = kDepthwiseWindow / 2;
  constexpr std::int64_t kTaps = kDepthwiseWindow * kDepthwiseWindow;
  at::Tensor neighbours = at::full({static_cast<std::int64_t>(sites.size()), kTaps}, -1, at::kInt);
  auto* out = neighbours.mutable_data_ptr<std::int32_t>();
  for (const std::int64_t site : sites) {
    const std::int64_t column = site % level.width;
    const std::int64_t row = site / level.width % level.height;
    for (std::int64_t kw = 0; kw < kDepthwiseWindow; ++kw) {
      for (std::int64_t kh = 0; kh < kDepthwiseWindow; ++kh) {
        const std::int64_t y = row + kh - kReach;
        const std::int64_t x = column + kw - kReach;
        if (y >= 0 && y < level.height && x >= 0 && x < level.width) {
          const std::int64_t place = site + (kh - kReach) * level.width + (kw - kReach);
          out[kh + kDepthwiseWindow * kw] = row_at[static_cast<std::size_t>(place)];
        }
      }
    }
    out += kTaps;
  }
  return neighbours;
}

/// One level as plain vectors: which places are active, and the row number of each.
struct Grid {
  std::vector<std::int64_t> sites;
  std::vector<std::int32_t> row_at;
};

Grid index_grid(const std::vector<bool>& active) {
  Grid grid;
  grid.row_at.assign(active.size(), -1);
  for (std::size_t place = 0; place < active.size(); ++place) {
    if (active[place]) {
      grid.row_at[place] = static_cast<std::int32_t>(grid.sites.size());
      grid.sites.push_back(static_cast<std::int64_t>(place));
    }
  }
  return grid;
}

at::Tensor to_device(const std::vector<std::int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

}  // namespace

at::Tensor gather_rows(const at::Tensor& rows, const at::Tensor& index) {
  return GatherRows::apply(rows, index);
}

at::Tensor scatter_rows(const at::Tensor& rows, const at::Tensor& index, std::int64_t count) {
  return ScatterRows::apply(rows, index, count);
}

std::vector<SiteLevel> site_levels(const at::Tensor& active, const std::vector<std::int64_t>& strides,
                                   const std::vector<bool>& with_window, at::Device device) {
  const at::Tensor bytes = active.to(at::kCPU, at::kByte).contiguous();
  const auto* first = bytes.const_data_ptr<std::uint8_t>();
  std::vector<bool> places(first, first + bytes.numel());

  std::vector<SiteLevel> levels(strides.size() + 1);
  levels[0].batch = active.size(0);
  levels[0].height = active.size(1);
  levels[0].width = active.size(2);
  Grid grid = index_grid(places);
  for (std::size_t i = 0;; ++i) {
    SiteLevel& level = levels[i];
    level.sites = to_device(grid.sites, device);
    if (with_window[i] && device.is_cpu()) {
      level.neighbours = window_neighbours(level, grid.row_at, grid.sites);
    }
    if (i == strides.size()) {
      return levels;
    }
    const std::int64_t stride = strides[i];
    SiteLevel& next = levels[i + 1];
    next.batch = level.batch;
    next.height = level.height / stride;
    next.width = level.width / stride;
    std::vector<std::int64_t> cell_of, inside;
    std::vector<bool> coarse(static_cast<std::size_t>(next.grid_sites()), false);
    for (const std::int64_t site : grid.sites) {
      const std::int64_t column = site % level.width;
      const std::int64_t row = site / level.width % level.height;
      const std::int64_t sample = site / (level.width * level.height);
      cell_of.push_back((sample * next.height + row / stride) * next.width + column / stride);
      inside.push_back(row % stride + stride * (column % stride));
      coarse[static_cast<std::size_t>(cell_of.back())] = true;
    }
    grid = index_grid(coarse);
    for (std::size_t k = 0; k < cell_of.size(); ++k) {
      inside[k] += grid.row_at[static_cast<std::size_t>(cell_of[k])] * stride * stride;
    }
    level.cell_slots = to_device(inside, device);
  }
}

}  // namespace terramill::model
