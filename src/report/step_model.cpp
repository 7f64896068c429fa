#include <terramill/report/step_model.hpp>

#include <algorithm>
#include <cmath>

namespace terramill::report {

namespace {

constexpr double kBackwardShare = 2.0 / 3;

/// The share of the bytes that each of p ranks sends in a reduce-scatter or an all-gather.
double sent(double ranks) { return (ranks - 1) / ranks; }

/// How the replicas lie: so many in a node, over so many nodes, in so many groups side by side.
struct Replicas {
  explicit Replicas(const RankLayout& layout) {
    const std::int64_t per_node = layout.ranks_per_node();
    const std::int64_t together = std::clamp<std::int64_t>(per_node / layout.tp, 1, layout.dp);
    inside = static_cast<double>(together);
    across = static_cast<double>((layout.dp + together - 1) / together);
    groups = static_cast<double>(std::min(layout.tp, per_node));
  }
  double inside = 1, across = 1, groups = 1;
};

}  // namespace

double Traffic::seconds(const Link& local, const Link& remote) const noexcept {
  return local_messages * local.latency + local_bytes * local.seconds_per_byte +
         remote_messages * remote.latency + remote_bytes * remote.seconds_per_byte;
}

Traffic reduction_traffic(const RankLayout& layout, double bytes) {
  Traffic traffic;
  const Replicas replicas(layout);
  traffic.local_messages = 2 * (replicas.inside - 1);
  traffic.local_bytes = 2 * sent(replicas.inside) * bytes;
  traffic.remote_messages = 2 * (replicas.across - 1);
  traffic.remote_bytes = 2 * sent(replicas.across) * bytes * replicas.groups;
  return traffic;
}

Traffic tree_traffic(const RankLayout& layout, double bytes) {
  Traffic traffic = reduction_traffic(layout, bytes);
  const Replicas replicas(layout);
  if (replicas.across < 2) return traffic;
  traffic.remote_messages = 2 * std::ceil(std::log2(replicas.across));
  traffic.remote_bytes = 2 * bytes * replicas.groups;
  return traffic;
}

Traffic tensor_traffic(const RankLayout& layout, double calls, double bytes) {
  Traffic traffic;
  if (layout.tp < 2) return traffic;
  const auto p = static_cast<double>(layout.tp);
  const bool inside = layout.tp <= layout.ranks_per_node();
  (inside ? traffic.local_messages : traffic.remote_messages) = (p - 1) * calls;
  (inside ? traffic.local_bytes : traffic.remote_bytes) = sent(p) * bytes;
  return traffic;
}

double hiding_share(bool zero) noexcept { return zero ? 1 : kBackwardShare; }

StepSeconds predict(const StepCosts& costs, const StepWork& work) {
  StepSeconds step;
  step.compute = work.crowding * (work.images * (costs.image_split / work.tp + costs.image_whole) +
                                  work.micro_batches * costs.micro_batch);
  step.tensor = work.tensor.seconds(costs.local, costs.remote);
  step.reduction = work.reduction.seconds(costs.local, costs.remote);
  if (work.micro_batches > 0)
    step.hidden =
        std::min(step.reduction, costs.overlap * hiding_share(work.zero) * step.compute / work.micro_batches);
  step.data_wait = costs.image_wait * work.images;
  step.overhead = costs.overhead;
  step.checkpoint = costs.checkpoint;
  return step;
}

}  // namespace terramill::report
