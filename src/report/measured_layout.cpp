#include <terramill/report/measured_layout.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace terramill::report {

namespace {

void add(StepPhases& sum, const StepPhases& other, double share) {
  sum.compute += share * other.compute;
  sum.communication_exposed += share * other.communication_exposed;
  sum.communication_hidden += share * other.communication_hidden;
  sum.data_wait += share * other.data_wait;
  sum.checkpoint += share * other.checkpoint;
}

MeasuredLayout mean_of(const std::vector<const ScalingPoint*>& repetitions) {
  MeasuredLayout mean;
  mean.point = *repetitions.front();
  mean.repetitions = static_cast<int>(repetitions.size());
  mean.least = mean.most = mean.point.images_per_second;
  const double share = 1 / static_cast<double>(repetitions.size());
  double mfu = 0;
  bool known = true;
  for (const ScalingPoint* point : repetitions) {
    mean.seconds += share * point->seconds_per_step();
    mean.images_per_second += share * point->images_per_second;
    mean.least = std::min(mean.least, point->images_per_second);
    mean.most = std::max(mean.most, point->images_per_second);
    add(mean.phases, point->phases, share);
    known = known && point->mfu.has_value();
    mfu += share * point->mfu.value_or(0);
  }
  if (known) mean.mfu = mfu;
  return mean;
}

}  // namespace

std::string MeasuredLayout::experiment() const {
  std::string text = point.config + ", " + point.scaling + " scaling, " + point.device + ", " +
                     point.precision + ", " + point.reduction + ", " + point.codec;
  if (point.checkpointing) text += ", activations recomputed";
  if (point.scaling == "strong") return text + ", global batch " + std::to_string(point.global_batch);
  return text + ", " + std::to_string(point.global_batch / point.dp) + " images per replica";
}

std::string MeasuredLayout::short_name() const {
  return "dp " + std::to_string(point.dp) + " × tp " + std::to_string(point.tp) +
         (point.zero ? ", ZeRO-1" : "") +
         (point.nodes > 1 ? ", " + std::to_string(point.nodes) + " nodes" : "") + ", " +
         std::to_string(point.micro_batches) + " × " + std::to_string(point.micro_batch_size);
}

std::vector<MeasuredLayout> measured_layouts(const std::vector<ScalingPoint>& points) {
  std::vector<std::vector<const ScalingPoint*>> groups;
  std::map<std::string, std::size_t> known;
  for (const ScalingPoint& point : points) {
    const auto [found, is_new] = known.try_emplace(point.layout(), groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(&point);
  }
  std::vector<MeasuredLayout> layouts;
  for (const auto& group : groups) layouts.push_back(mean_of(group));

  const auto before = [&](std::size_t a, std::size_t b) {
    const MeasuredLayout &x = layouts[a], &y = layouts[b];
    return std::make_pair(x.point.ranks, -x.images_per_second) <
           std::make_pair(y.point.ranks, -y.images_per_second);
  };
  std::map<std::string, std::size_t> baselines;
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    const auto [found, is_new] = baselines.try_emplace(layouts[i].experiment(), i);
    if (!is_new && before(i, found->second)) found->second = i;
  }
  for (MeasuredLayout& layout : layouts) {
    layout.baseline = baselines.at(layout.experiment());
    const MeasuredLayout& base = layouts[layout.baseline];
    const double ideal = base.images_per_second * static_cast<double>(layout.point.ranks) /
                         static_cast<double>(base.point.ranks);
    layout.efficiency = layout.images_per_second / ideal;
    layout.efficiency_least = layout.least / ideal;
    layout.efficiency_most = layout.most / ideal;
  }
  return layouts;
}

}  // namespace terramill::report
