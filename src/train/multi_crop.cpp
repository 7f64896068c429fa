#include <terramill/core/philox.hpp>
#include <terramill/train/multi_crop.hpp>

#include <algorithm>
#include <cmath>

#include <torch/torch.h>

namespace terramill::train {

namespace {

using Choice = SensorPlan::Choice;

constexpr int kGlobalViews = 2;
constexpr double kMostNarrow = 3.0 / 4, kMostWide = 4.0 / 3;
constexpr int kAttempts = 10;  // RandomResizedCrop.get_params

Crop random_resized(PhiloxStream& random, int size, double least, double most) {
  const double area = static_cast<double>(size) * size;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double target = area * random.uniform(least, most);
    const double ratio = std::exp(random.uniform(std::log(kMostNarrow), std::log(kMostWide)));
    const int width = static_cast<int>(std::lround(std::sqrt(target * ratio)));
    const int height = static_cast<int>(std::lround(std::sqrt(target / ratio)));
    if (width < 1 || height < 1 || width > size || height > size) continue;
    const auto y = random.below(static_cast<std::uint64_t>(size - height) + 1);
    const auto x = random.below(static_cast<std::uint64_t>(size - width) + 1);
    return {static_cast<int>(x), static_cast<int>(y), width, height};
  }
  return {0, 0, size, size};  // tiles are square, so the whole one has a permitted ratio
}

at::Tensor cut(const at::Tensor& image, const Crop& crop, int size) {
  at::Tensor part = image.slice(1, crop.y, crop.y + crop.height).slice(2, crop.x, crop.x + crop.width);
  if (crop.width != size || crop.height != size) {
    part = at::_upsample_bicubic2d_aa(part.unsqueeze(0), {size, size}, false).squeeze(0);
  }
  if (crop.flip_horizontal) part = part.flip({2});
  if (crop.flip_vertical) part = part.flip({1});
  if (crop.quarter_turns != 0) part = at::rot90(part, crop.quarter_turns, {1, 2});
  return part;
}

/// Which sensors sample b shows in a view.
Choice shown(const Choice& planned, const bool* has) {
  Choice choice{};
  bool any = false;
  for (std::size_t s = 0; s < model::kSensors; ++s) any |= choice[s] = planned[s] && has[s];
  if (!any) std::copy(has, has + model::kSensors, choice.begin());
  return choice;
}

/// Views [first, first + plan.size()) of all samples.
model::SensorImages view_images(const model::SensorImages& tiles, const at::Tensor& has,
                                const std::vector<std::vector<Crop>>& crops, std::size_t first,
                                const std::vector<Choice>& plan, int size) {
  const auto samples = static_cast<std::int64_t>(crops.size());
  const auto views = static_cast<std::int64_t>(plan.size());
  model::SensorImages result;
  if (views == 0) return result;
  result.present = at::zeros({views * samples, static_cast<std::int64_t>(model::kSensors)}, at::kBool);
  const auto* available = has.const_data_ptr<bool>();
  auto* present = result.present.mutable_data_ptr<bool>();
  std::array<std::vector<at::Tensor>, model::kSensors> parts;
  for (std::size_t v = 0; v < plan.size(); ++v) {
    for (std::int64_t b = 0; b < samples; ++b) {
      const Choice choice = shown(plan[v], available + b * static_cast<std::int64_t>(model::kSensors));
      std::copy(choice.begin(), choice.end(), present);
      present += model::kSensors;
      for (std::size_t s = 0; s < model::kSensors; ++s) {
        parts[s].push_back(choice[s]
                               ? cut(tiles.images[s][b], crops[static_cast<std::size_t>(b)][first + v], size)
                               : at::Tensor());
      }
    }
  }
  for (std::size_t s = 0; s < model::kSensors; ++s) {
    const auto used =
        std::find_if(parts[s].begin(), parts[s].end(), [](const at::Tensor& t) { return t.defined(); });
    if (used == parts[s].end()) continue;
    const at::Tensor blank = at::zeros_like(*used);
    for (at::Tensor& part : parts[s]) {
      if (!part.defined()) part = blank;
    }
    result.images[s] = at::stack(parts[s]);
  }
  return result;
}

}  // namespace

std::vector<Crop> draw_crops(const DinoOptions& options, int tile_size, std::uint64_t seed,
                             std::uint64_t epoch, std::uint64_t position, std::uint64_t tile_key) {
  PhiloxStream random(seed, Purpose::kView, tile_key, philox_key(seed, Purpose::kView, epoch, position));
  std::vector<Crop> crops;
  for (int v = 0; v < kGlobalViews + options.local_crops; ++v) {
    Crop crop = v < kGlobalViews
                    ? random_resized(random, tile_size, options.global_scale_min, 1)
                    : random_resized(random, tile_size, options.local_scale_min, options.local_scale_max);
    // Every number is drawn, whatever the options, so that they do not shift the others.
    const bool horizontal = random.uniform() < 0.5, vertical = random.uniform() < 0.5;
    const auto turns = static_cast<int>(random.below(4));
    crop.flip_horizontal = horizontal;
    crop.flip_vertical = options.vertical_flip && vertical;
    crop.quarter_turns = options.rotate ? turns : 0;
    crops.push_back(crop);
  }
  return crops;
}

SensorPlan draw_sensor_plan(const Choice& available, int views, double probability, std::uint64_t seed,
                            std::int64_t step, int micro_batch) {
  PhiloxStream random(seed, Purpose::kModality, static_cast<std::uint64_t>(step),
                      static_cast<std::uint64_t>(micro_batch));
  const auto draw = [&] {
    Choice choice{};
    bool any = false;
    std::vector<std::size_t> candidates;
    for (std::size_t s = 0; s < model::kSensors; ++s) {
      const bool wanted = random.uniform() < probability;
      if (!available[s]) continue;
      candidates.push_back(s);
      any |= choice[s] = wanted;
    }
    if (!any && !candidates.empty()) choice[candidates[random.below(candidates.size())]] = true;
    return choice;
  };
  SensorPlan plan;
  for (int v = 0; v < views; ++v) {
    plan.student.push_back(draw());
    if (v < kGlobalViews) plan.teacher.push_back(draw());
  }
  return plan;
}

DinoViews make_views(const model::SensorImages& tiles, const std::vector<std::vector<Crop>>& crops,
                     const SensorPlan& plan, int global_size, int local_size) {
  const torch::NoGradGuard no_grad;
  at::Tensor has = tiles.present;
  if (!has.defined()) {
    has = at::zeros({static_cast<std::int64_t>(crops.size()), static_cast<std::int64_t>(model::kSensors)},
                    at::kBool);
    for (std::size_t s = 0; s < model::kSensors; ++s) {
      if (tiles.images[s].defined()) has.select(1, static_cast<std::int64_t>(s)).fill_(true);
    }
  }
  has = has.contiguous();
  const auto middle = plan.student.begin() + kGlobalViews;
  DinoViews views;
  views.student_global = view_images(tiles, has, crops, 0, {plan.student.begin(), middle}, global_size);
  views.student_local =
      view_images(tiles, has, crops, kGlobalViews, {middle, plan.student.end()}, local_size);
  views.teacher = view_images(tiles, has, crops, 0, plan.teacher, global_size);
  return views;
}

at::Tensor draw_drop_path(const std::vector<double>& rates, std::int64_t samples, std::uint64_t seed,
                          std::int64_t step, int micro_batch, int part, at::TensorOptions options) {
  if (std::all_of(rates.begin(), rates.end(), [](double rate) { return rate == 0; })) return {};
  PhiloxStream random(seed, Purpose::kDropPath, static_cast<std::uint64_t>(step),
                      static_cast<std::uint64_t>(micro_batch) << 8 | static_cast<std::uint64_t>(part));
  at::Tensor keep = at::empty({2 * (static_cast<std::int64_t>(rates.size()) - 1), samples}, at::kDouble);
  auto* out = keep.mutable_data_ptr<double>();
  for (std::size_t block = 1; block < rates.size(); ++block) {
    for (std::int64_t i = 0; i < 2 * samples; ++i) *out++ = random.uniform() >= rates[block] ? 1 : 0;
  }
  return keep.to(options);
}

}  // namespace terramill::train
