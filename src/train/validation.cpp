#include "validation.hpp"

#include <terramill/sampling/plan.hpp>

#include <algorithm>

namespace terramill::train {

namespace {

loader::LoaderOptions centred(loader::LoaderOptions options, int crop) {
  options.random_crop = false;
  options.crop_size = crop;
  return options;
}

/// The filters of training, on the validation split.
sampling::SamplingOptions held_out(sampling::SamplingOptions options) {
  const sampling::SamplingOptions plain;
  options.split = "validation";
  options.strategy = plain.strategy;
  options.drop_ocean = plain.drop_ocean;
  options.max_repeats = plain.max_repeats;
  options.shuffle_window = plain.shuffle_window;
  options.tiles = 0;
  return options;
}

}  // namespace

Validation::Validation(const parallel::Mesh& mesh, const PretrainConfig& config, Task& task)
    : mesh_(mesh),
      task_(task),
      loader_(config.corpus, task.requests(), centred(config.loader, task.window())) {
  sampling::SamplingOptions options = held_out(config.sampling);
  const std::uint64_t available = sampling::find_eligible(mesh.dp_comm(), config.corpus, options).rows.size();
  positions_ = std::min(available, static_cast<std::uint64_t>(config.train.validation_tiles));
  if (positions_ == 0) return;

  options.tiles = static_cast<std::int64_t>(positions_);
  const sampling::Plan plan = sampling::plan_epoch(mesh.dp_comm(), config.corpus, options, 0);

  const auto size = static_cast<std::uint64_t>(config.train.micro_batch_size);
  const std::uint64_t batches = (positions_ + size - 1) / size;
  const auto replica = static_cast<std::uint64_t>(mesh.replica()), dp = static_cast<std::uint64_t>(mesh.dp());
  first_ = static_cast<int>(batches * replica / dp);
  work_.seed = static_cast<std::uint64_t>(config.train.seed);
  work_.micro_batch = config.train.micro_batch_size;
  for (std::uint64_t p = batches * replica / dp * size;
       p < std::min(batches * (replica + 1) / dp * size, positions_); ++p) {
    work_.positions.push_back(p);
  }
  work_.entries = sampling::fetch(mesh.dp_comm(), plan, work_.positions);
  work_.reserve = sampling::fetch_reserve(mesh.dp_comm(), plan);
}

std::vector<double> Validation::run() {
  loader_.start(work_);
  const std::size_t width = 1 + task_.losses().size();  // tiles, each loss
  std::vector<double> mine;
  while (auto loaded = loader_.next()) {
    mine.push_back(static_cast<double>(loaded->size()));
    const std::vector<double> losses = task_.evaluate(*loaded, first_ + static_cast<int>(loaded->index));
    mine.insert(mine.end(), losses.begin(), losses.end());
  }
  const std::vector<double> all = mesh_.dp_comm().all_gather(std::span<const double>(mine));
  std::vector<double> mean(width - 1, 0);
  double tiles = 0;
  for (std::size_t row = 0; row < all.size(); row += width) {
    for (std::size_t i = 1; i < width; ++i) mean[i - 1] += all[row] * all[row + i];
    tiles += all[row];
  }
  for (double& value : mean) value /= tiles;
  return mean;
}

}  // namespace terramill::train
