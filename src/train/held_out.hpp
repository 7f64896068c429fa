#pragma once

#include <terramill/loader/loader.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/sampling/plan.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <string>

namespace terramill::train {

/// Tiles of a split that a run looks at without learning from them: those that pass the filters of training,
/// drawn at random, the same in the whole run.
struct HeldOut {
  sampling::Plan plan;      ///< of `tiles` positions
  std::uint64_t tiles = 0;  ///< 0: no tile of the split passes
  loader::Work work;        ///< this replica's micro-batches, cut by position
  int first_micro_batch = 0;
};

/// At most `most` tiles. Collective.
HeldOut hold_out(const parallel::Mesh& mesh, const PretrainConfig& config, const std::string& split,
                 std::int64_t most);

/// As loader::require_bad_rate, of what the replicas replaced of these tiles together. Collective.
void require_bad_rate(const mpi::Communicator& replicas, const loader::Loader& loader, const HeldOut& held,
                      double max_bad_rate);

/// The loader's options for centred windows of `window` pixels.
loader::LoaderOptions centred(loader::LoaderOptions options, int window);

}  // namespace terramill::train
