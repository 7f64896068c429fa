#pragma once

#include <terramill/loader/loader.hpp>
#include <terramill/train/dino_trainer.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace terramill::train {

/// A window of a tile, and how it is turned. In pixels.
struct Crop {
  int x = 0, y = 0, width = 1, height = 1;
  bool flip_horizontal = false, flip_vertical = false;
  int quarter_turns = 0;  ///< anticlockwise
};

/// The crops of one sample: two global ones, then the local ones. RandomResizedCrop of torchvision with
/// aspect ratios 3/4 … 4/3, then a horizontal flip with probability 1/2 (DataAugmentationDINO without its
/// colour operations; spec b.2). Drawn from Philox(seed, kView, tile key, epoch and position).
std::vector<Crop> draw_crops(const DinoOptions& options, int tile_size, std::uint64_t seed,
                             std::uint64_t epoch, std::uint64_t position, std::uint64_t tile_key);

/// Which sensors each view of a micro-batch shows, the same for all its samples: student[v] for all views,
/// teacher[v] for the two global ones.
struct SensorPlan {
  using Choice = std::array<bool, model::kSensors>;
  std::vector<Choice> student, teacher;
};

/// Draws each sensor of `available` with `probability`, for student and teacher by themselves; where that
/// leaves none, one of them at random. From Philox(seed, kModality, step, micro-batch).
SensorPlan draw_sensor_plan(const SensorPlan::Choice& available, int views, double probability,
                            std::uint64_t seed, std::int64_t step, int micro_batch);

/// The views of a micro-batch of whole tiles. A sample that has none of the sensors planned for a view shows
/// all that it has. Crops are resized by antialiased bicubic interpolation, as PIL and torchvision do, to
/// `global_size` and options.local_size pixels. `crops`: per sample.
DinoViews make_views(const model::SensorImages& tiles, const std::vector<std::vector<Crop>>& crops,
                     const SensorPlan& plan, int global_size, int local_size);

/// Drop path's masks for `samples` samples of a student with `rates` per block, [2 (depth - 1), samples] of 0
/// and 1: a branch of block i stays with probability 1 - rate_i. `part` tells apart the calls of one
/// micro-batch. From Philox(seed, kDropPath, step, micro-batch and part). Undefined when no rate is positive.
at::Tensor draw_drop_path(const std::vector<double>& rates, std::int64_t samples, std::uint64_t seed,
                          std::int64_t step, int micro_batch, int part, at::TensorOptions options);

}  // namespace terramill::train
