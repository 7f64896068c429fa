#pragma once

#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <filesystem>

namespace terramill::train {

/// The trace of some steps of a run: RUN/trace/rank-NNNNN.json of every rank, on rank 0's clock, and
/// RUN/trace/trace.json of all together (docs/observability.md). What an earlier trace left is removed. Where
/// a file cannot be written, the log warns and the run goes on.
class RunTrace {
 public:
  /// Does nothing without config.trace. References must outlive this. Not collective.
  RunTrace(const mpi::Communicator& world, const PretrainConfig& config);

  /// Before each step, and after what follows the last one. Collective.
  void before_step();
  /// Ends a recording that still goes on. Collective.
  void finish();

 private:
  const mpi::Communicator& world_;
  std::filesystem::path folder_;
  std::int64_t begin_, end_;  ///< steps of this session done before the recording begins and ends
  std::int64_t steps_ = 0;    ///< done
};

}  // namespace terramill::train
