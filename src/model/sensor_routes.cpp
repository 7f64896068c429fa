#include "sensor_routes.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/sites.hpp>

#include <algorithm>
#include <array>
#include <string>

#include <torch/torch.h>

namespace terramill::model {
namespace {

using Indices = std::vector<std::int64_t>;
using Sensors = std::array<bool, kSensors>;

void demand(bool holds, const std::string& message) {
  if (!holds) {
    throw UsageError(message, {"encode images", "", ""});
  }
}

Pick pick(const Indices& indices, std::int64_t of, at::Device device) {
  Pick result{static_cast<std::int64_t>(indices.size()), {}};
  bool all = result.count == of;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    all = all && indices[i] == static_cast<std::int64_t>(i);
  }
  if (!all) {
    result.index = at::tensor(indices, at::kLong).to(device);
  }
  return result;
}

/// `entries` with another length of the first axis.
std::vector<std::int64_t> shape_with(const at::Tensor& entries, std::int64_t count) {
  auto shape = entries.sizes().vec();
  shape[0] = count;
  return shape;
}

/// Which sensors count for each sample.
std::vector<Sensors> sensors_of_samples(const SensorImages& images, std::int64_t batch) {
  Sensors defined{};
  for (std::size_t s = 0; s < kSensors; ++s) {
    defined[s] = images.images[s].defined();
  }
  std::vector<Sensors> have(static_cast<std::size_t>(batch), defined);
  if (!images.present.defined()) {
    return have;
  }
  demand(
      images.present.sizes() == at::IntArrayRef{batch, static_cast<std::int64_t>(kSensors)} &&
          images.present.scalar_type() == at::kBool && images.present.is_cpu(),
      "`present` is not bool [" + std::to_string(batch) + ", " + std::to_string(kSensors) + "] on the CPU");
  const at::Tensor present = images.present.contiguous();
  const bool* flag = present.const_data_ptr<bool>();
  for (std::size_t b = 0; b < have.size(); ++b) {
    for (std::size_t s = 0; s < kSensors; ++s, ++flag) {
      have[b][s] = defined[s] && *flag;
    }
    demand(std::ranges::count(have[b], true) > 0, "sample " + std::to_string(b) + " has no sensor's image");
  }
  return have;
}

}  // namespace

at::Tensor Pick::take(const at::Tensor& from) const {
  return index.defined() ? gather_rows(from.flatten(1), index).view(shape_with(from, count)) : from;
}

at::Tensor Pick::place(const at::Tensor& entries, std::int64_t total) const {
  return index.defined() ? scatter_rows(entries.flatten(1), index, total).view(shape_with(entries, total))
                         : entries;
}

SensorRoutes::SensorRoutes(const SensorImages& images, std::int64_t patch_size) {
  const auto first = std::ranges::find_if(images.images, [](const at::Tensor& t) { return t.defined(); });
  demand(first != images.images.end() && first->dim() == 4, "there is no image [B, bands, H, W]");
  batch = first->size(0);
  height = first->size(2);
  width = first->size(3);
  const at::Device device = first->device();
  demand(batch >= 1 && height >= patch_size && width >= patch_size,
         "images of " + std::to_string(height) + " x " + std::to_string(width) + " pixels hold no patch of " +
             std::to_string(patch_size));
  for (std::size_t s = 0; s < kSensors; ++s) {
    const at::Tensor& image = images.images[s];
    demand(!image.defined() || image.sizes() == at::IntArrayRef{batch, kSensorBands[s], height, width},
           std::string(name_of(static_cast<Sensor>(s))) + " has another shape than [" +
               std::to_string(batch) + ", " + std::to_string(kSensorBands[s]) + ", " +
               std::to_string(height) + ", " + std::to_string(width) + "]");
  }

  const std::vector<Sensors> have = sensors_of_samples(images, batch);
  Indices joint_row(have.size());
  for (std::size_t b = 0; b < have.size(); ++b) {
    joint_row[b] = std::ranges::count(have[b], true) > 1 ? joint_samples++ : -1;
  }
  Indices order_of(have.size());
  std::int64_t alone_before = 0;
  for (std::size_t s = 0; s < kSensors; ++s) {
    Indices samples, alone, joint, joint_rows;
    for (std::size_t b = 0; b < have.size(); ++b) {
      if (!have[b][s]) continue;
      const auto own = static_cast<std::int64_t>(samples.size());
      samples.push_back(static_cast<std::int64_t>(b));
      if (joint_row[b] < 0) {
        order_of[b] = alone_before++;
        alone.push_back(own);
      } else {
        joint.push_back(own);
        joint_rows.push_back(joint_row[b]);
      }
    }
    if (samples.empty()) continue;
    const auto count = static_cast<std::int64_t>(samples.size());
    sensors.push_back({static_cast<Sensor>(s), pick(samples, batch, device), pick(alone, count, device),
                       pick(joint, count, device), pick(joint_rows, joint_samples, device)});
  }

  std::vector<std::uint8_t> lacks;
  for (std::size_t b = 0; b < have.size(); ++b) {
    if (joint_row[b] < 0) continue;
    order_of[b] = alone_before + joint_row[b];
    for (const SensorRoute& route : sensors) {
      lacks.push_back(have[b][static_cast<std::size_t>(route.sensor)] ? 0 : 1);
    }
  }
  order = pick(order_of, batch, device);
  if (std::ranges::count(lacks, 1) > 0) {
    absent = at::tensor(lacks, at::kByte)
                 .to(at::kBool)
                 .view({joint_samples, static_cast<std::int64_t>(sensors.size())})
                 .to(device);
  }
}

}  // namespace terramill::model
