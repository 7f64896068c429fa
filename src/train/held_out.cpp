#include "held_out.hpp"

#include "bad_rate.hpp"

#include <algorithm>

namespace terramill::train {

namespace {

/// The filters of training, on another split.
sampling::SamplingOptions only_filters(sampling::SamplingOptions options, const std::string& split) {
  const sampling::SamplingOptions plain;
  options.split = split;
  options.strategy = plain.strategy;
  options.drop_ocean = plain.drop_ocean;
  options.max_repeats = plain.max_repeats;
  options.shuffle_window = plain.shuffle_window;
  options.tiles = 0;
  return options;
}

}  // namespace

HeldOut hold_out(const parallel::Mesh& mesh, const PretrainConfig& config, const std::string& split,
                 std::int64_t most) {
  HeldOut held;
  sampling::SamplingOptions options = only_filters(config.sampling, split);
  const std::uint64_t available = sampling::count_eligible(mesh.dp_comm(), config.corpus, options);
  held.tiles = std::min(available, static_cast<std::uint64_t>(most));
  if (held.tiles == 0) return held;
  options.tiles = static_cast<std::int64_t>(held.tiles);
  held.plan = sampling::plan_epoch(mesh.dp_comm(), config.corpus, options, 0);

  const auto size = static_cast<std::uint64_t>(config.train.micro_batch_size);
  const std::uint64_t batches = (held.tiles + size - 1) / size;
  const auto replica = static_cast<std::uint64_t>(mesh.replica()), dp = static_cast<std::uint64_t>(mesh.dp());
  held.first_micro_batch = static_cast<int>(batches * replica / dp);
  held.work.seed = static_cast<std::uint64_t>(config.train.seed);
  held.work.micro_batch = config.train.micro_batch_size;
  for (std::uint64_t p = batches * replica / dp * size;
       p < std::min(batches * (replica + 1) / dp * size, held.tiles); ++p) {
    held.work.positions.push_back(p);
  }
  held.work.total = held.tiles;
  held.work.entries = sampling::fetch(mesh.dp_comm(), held.plan, held.work.positions);
  held.work.reserve = sampling::fetch_reserve(mesh.dp_comm(), held.plan);
  return held;
}

void require_bad_rate(const mpi::Communicator& replicas, const loader::Loader& loader, const HeldOut& held,
                      double max_bad_rate) {
  const auto replaced = replicas.sum(static_cast<std::uint64_t>(loader.replacements().size()));
  require_bad_rate(replicas, replaced, held.tiles, max_bad_rate, loader.replacements());
}

loader::LoaderOptions centred(loader::LoaderOptions options, int window) {
  options.random_crop = false;
  options.crop_size = window;
  return options;
}

}  // namespace terramill::train
