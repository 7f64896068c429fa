#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/report/attention.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <torch/torch.h>

namespace terramill::report {

namespace {

/// From the least to the most.
constexpr std::array<std::array<float, 3>, 5> kRamp = {
    {{30, 10, 70}, {55, 90, 140}, {30, 150, 135}, {130, 205, 70}, {253, 231, 37}}};
constexpr float kOpacity = 0.6f;

std::array<float, 3> ramp(float share) {
  const float place = std::clamp(share, 0.0f, 1.0f) * static_cast<float>(kRamp.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), kRamp.size() - 2);
  const float rest = place - static_cast<float>(below);
  std::array<float, 3> color{};
  for (std::size_t c = 0; c < 3; ++c) color[c] = kRamp[below][c] * (1 - rest) + kRamp[below + 1][c] * rest;
  return color;
}

/// The value of `heat` at pixel `x` of `width`, between the centres of its cells.
struct Between {
  int low, high;
  float share;  ///< of `high`
};
Between between(int pixel, int pixels, int cells) {
  const float place =
      (static_cast<float>(pixel) + 0.5f) / static_cast<float>(pixels) * static_cast<float>(cells) - 0.5f;
  const int low = static_cast<int>(std::floor(place));
  return {std::clamp(low, 0, cells - 1), std::clamp(low + 1, 0, cells - 1), place - static_cast<float>(low)};
}

/// The request to draw: the first with red, green and blue, else the first.
std::size_t visible_request(const std::vector<std::vector<std::string>>& bands) {
  for (std::size_t r = 0; r < bands.size(); ++r) {
    const auto has = [&](const char* name) { return std::ranges::find(bands[r], name) != bands[r].end(); };
    if (has("B4") && has("B3") && has("B2")) return r;
  }
  return 0;
}

}  // namespace

Picture draw_heat(const Picture& under, std::span<const float> heat, int rows, int columns) {
  Picture picture = under;
  const auto [least, most] = std::ranges::minmax(heat);
  const float range = most > least ? most - least : 1;
  const auto at = [&](int row, int column) {
    return heat[static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) +
                static_cast<std::size_t>(column)];
  };
  for (int y = 0; y < under.height; ++y) {
    const Between v = between(y, under.height, rows);
    for (int x = 0; x < under.width; ++x) {
      const Between h = between(x, under.width, columns);
      const float upper = at(v.low, h.low) * (1 - h.share) + at(v.low, h.high) * h.share;
      const float lower = at(v.high, h.low) * (1 - h.share) + at(v.high, h.high) * h.share;
      const std::array<float, 3> color = ramp((upper * (1 - v.share) + lower * v.share - least) / range);
      const auto pixel = 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(under.width) +
                              static_cast<std::size_t>(x));
      for (std::size_t c = 0; c < 3; ++c) {
        const float mixed =
            static_cast<float>(under.pixels[pixel + c]) * (1 - kOpacity) + color[c] * kOpacity;
        picture.pixels[pixel + c] = static_cast<std::uint8_t>(std::lround(mixed));
      }
    }
  }
  return picture;
}

std::vector<AttendedTile> draw_attention(const eval::FeatureModel& model, const std::filesystem::path& corpus,
                                         std::span<const std::uint64_t> rows) {
  const torch::NoGradGuard no_grad;
  loader::Loader loader(corpus, model.requests(), eval::loader_options(model));
  const corpus::IndexReader index(corpus / corpus::kIndexFile);
  const std::size_t drawn = visible_request(loader.bands());
  const int edge = model.image_size();
  std::vector<AttendedTile> tiles;
  for (const std::uint64_t row : rows) {
    const loader::MicroBatch batch = loader.load_tiles({&row, 1});
    const at::Tensor attention = model.attention(batch)[0].to(at::kFloat).contiguous();  // [heads, h, w]
    const int height = static_cast<int>(attention.size(1)), width = static_cast<int>(attention.size(2));
    AttendedTile tile;
    tile.tile_id = index.read_records(row, 1).front().tile_id;
    tile.image = draw_continuous(batch.blocks[drawn].floats, loader.bands()[drawn], edge, edge);
    const auto draw = [&](const at::Tensor& heat) {
      return draw_heat(tile.image, {heat.const_data_ptr<float>(), static_cast<std::size_t>(heat.numel())},
                       height, width);
    };
    tile.mean = draw(attention.mean(0).contiguous());
    for (std::int64_t head = 0; head < attention.size(0); ++head)
      tile.heads.push_back(draw(attention[head].contiguous()));
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

}  // namespace terramill::report
