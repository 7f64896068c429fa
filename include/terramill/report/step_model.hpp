#pragma once

#include <cstdint>

namespace terramill::report {

// How long a training step takes, in closed form (docs/scaling.md): computing, exposed communication, waiting
// for data, checkpoints and what else a step needs. The coefficients come from measured points (scaling_fit)
// or from a machine's description (simulate).

/// A link between two ranks: n bytes take latency + n * seconds_per_byte (Hockney, "The communication
/// challenge for MPP: Intel Paragon and Meiko CS-2", Parallel Computing 20, 1994).
struct Link {
  double latency = 0;           ///< seconds per message
  double seconds_per_byte = 0;  ///< 1 / bandwidth
};

/// What one rank's part of a step's collectives takes on the two kinds of links, one message after another.
struct Traffic {
  double local_messages = 0, local_bytes = 0;    ///< between ranks of a node
  double remote_messages = 0, remote_bytes = 0;  ///< between nodes; bytes through one node's connection

  double seconds(const Link& local, const Link& remote) const noexcept;
};

/// Where the ranks of a job are. Tensor-parallel ranks are neighbours.
struct RankLayout {
  std::int64_t nodes = 1, dp = 1, tp = 1;

  std::int64_t ranks() const noexcept { return dp * tp; }
  std::int64_t ranks_per_node() const noexcept { return (ranks() + nodes - 1) / nodes; }
};

/// The all-reduce of `bytes` over the dp replicas, or the reduce-scatter and the all-gather that ZeRO-1 puts
/// in its place: 2 (p - 1) messages and 2 (p - 1) / p of the bytes by rings (Thakur, Rabenseifner, Gropp,
/// "Optimization of collective communication operations in MPICH", IJHPCA 19, 2005). Where replicas share
/// nodes: rings inside each node and rings between nodes, of 1 / p_local of the bytes each. The tp groups of
/// a node use its connection at once.
Traffic reduction_traffic(const RankLayout& layout, double bytes);

/// The same all-reduce with a double binary tree between the nodes: 2 ceil(log2 nodes) messages one after the
/// other, and twice the bytes (Sanders, Speck, Träff, "Two-tree algorithms for full bandwidth broadcast,
/// reduction and scan", Parallel Computing 35, 2009).
Traffic tree_traffic(const RankLayout& layout, double bytes);

/// `calls` all-gathers or reduce-scatters over the tp ranks of `bytes` in all: p - 1 messages each, and
/// (p - 1) / p of the bytes.
Traffic tensor_traffic(const RankLayout& layout, double calls, double bytes);

/// What a step asks of its busiest rank.
struct StepWork {
  double images = 0;         ///< that its replica computes
  double micro_batches = 0;  ///< of these images
  double tp = 1;
  double crowding = 1;  ///< ranks per processor core where ranks have to share them, else 1
  bool zero = false;
  Traffic reduction, tensor;
};

/// What the work costs, in seconds.
struct StepCosts {
  double image_split = 0;  ///< computing of one image that tensor parallelism divides
  double image_whole = 0;  ///< computing of one image that it repeats on every rank
  double micro_batch = 0;  ///< starting a micro-batch: what does not depend on its size
  Link local, remote;
  double overlap = 0;     ///< share of the last micro-batch's backward pass behind which reduction goes on
  double image_wait = 0;  ///< waiting for data, per image of a replica
  double overhead = 0;    ///< of a step
  double checkpoint = 0;  ///< per step
};

/// The parts of a step in seconds.
struct StepSeconds {
  double compute = 0, tensor = 0, reduction = 0;
  double hidden = 0;  ///< of reduction, behind computing
  double data_wait = 0, overhead = 0, checkpoint = 0;

  double exposed() const noexcept { return tensor + reduction - hidden; }
  double total() const noexcept { return compute + exposed() + data_wait + overhead + checkpoint; }
};

/// Share of a micro-batch's computing behind which a reduction may go on: the backward pass, two thirds of it
/// (Kaplan et al., "Scaling laws for neural language models", 2020, section 2.1); with ZeRO-1, whose
/// all-gather goes on behind the next forward pass, all of it.
double hiding_share(bool zero) noexcept;

/// compute = crowding (images (split / tp + whole) + micro_batches micro_batch), the tp term after Amdahl
/// (1967); hidden = min(reduction, overlap hiding_share compute / micro_batches).
StepSeconds predict(const StepCosts& costs, const StepWork& work);

}  // namespace terramill::report
