#pragma once

#include <terramill/model/terrafm.hpp>

#include <cstdint>
#include <vector>

namespace terramill::model {

/// Some entries of a tensor's first axis, in their order; an undefined index means all of them.
struct Pick {
  std::int64_t count = 0;
  at::Tensor index;  ///< int64, without repetition

  /// The entries of `from`.
  at::Tensor take(const at::Tensor& from) const;
  /// The adjoint: `entries` at their places among `total`, the others 0.
  at::Tensor place(const at::Tensor& entries, std::int64_t total) const;
};

/// How the samples of a micro-batch pass one sensor's stem and what becomes of them.
struct SensorRoute {
  Sensor sensor = Sensor::kS1;
  Pick samples;     ///< of the micro-batch: those that have the sensor
  Pick alone;       ///< of `samples`: those that have no other
  Pick joint;       ///< of `samples`: those that have another, too
  Pick joint_rows;  ///< of the micro-batch's samples with several sensors: `joint`
};

/// Which sensors each sample of a micro-batch has. Sensors that no sample has have no route.
struct SensorRoutes {
  /// UsageError where images or `present` have impossible shapes, bands or sizes, or a sample has no sensor.
  SensorRoutes(const SensorImages& images, std::int64_t patch_size);

  std::int64_t batch = 0, height = 0, width = 0;
  std::int64_t joint_samples = 0;  ///< samples with several sensors
  std::vector<SensorRoute> sensors;
  /// Back to the order of the micro-batch from: samples of one sensor by sensor, then those of several.
  Pick order;
  /// bool [joint_samples, sensors]: what a sample with several sensors lacks. Undefined where nothing.
  at::Tensor absent;
};

}  // namespace terramill::model
