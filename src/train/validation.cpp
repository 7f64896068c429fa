#include "validation.hpp"

namespace terramill::train {

Validation::Validation(const parallel::Mesh& mesh, const PretrainConfig& config, Task& task)
    : mesh_(mesh),
      task_(task),
      loader_(config.corpus, task.requests(), centred(config.loader, task.window())),
      held_(hold_out(mesh, config, "validation", config.train.validation_tiles)),
      max_bad_rate_(config.loader.max_bad_rate) {}

std::vector<double> Validation::run() {
  loader_.start(held_.work);
  const std::size_t width = 1 + task_.losses().size();  // tiles, each loss
  std::vector<double> mine;
  while (auto loaded = loader_.next()) {
    mine.push_back(static_cast<double>(loaded->size()));
    const std::vector<double> losses =
        task_.evaluate(*loaded, held_.first_micro_batch + static_cast<int>(loaded->index));
    mine.insert(mine.end(), losses.begin(), losses.end());
  }
  require_bad_rate(mesh_.dp_comm(), loader_, held_, max_bad_rate_);
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
