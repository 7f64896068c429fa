#pragma once

#include "machine.hpp"
#include "sweep.hpp"

#include <terramill/report/scaling_point.hpp>
#include <terramill/train/stop_request.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace terramill::cli {

/// A sweep on the ranks of this job, and the file that receives its points.
class Sweep {
 public:
  /// Collective; throws as plan_sweep does. All arguments outlive it.
  Sweep(const mpi::Communicator& world, const SweepOptions& options, const train::PretrainConfig& config,
        const std::filesystem::path& file);

  /// Measures what the file lacks: all trials once, then all once more, so that a machine whose speed drifts
  /// does so under all of them. Rank 0 adds each measurement to the file as it comes. A trial that the ranks,
  /// the corpus or the memory cannot hold is told and left out. False where a signal stopped it. Collective.
  /// Error where a step goes wrong otherwise.
  bool run();

  /// With why some were left out.
  const std::vector<Trial>& trials() const noexcept { return trials_; }
  /// Measured now; the others were in the file.
  int measured() const noexcept { return measured_; }
  /// What the file holds of a trial, in order of the repetitions. On rank 0 after run().
  std::vector<terramill::report::ScalingPoint> points(const Trial& trial) const;

 private:
  using ScalingPoint = terramill::report::ScalingPoint;

  ScalingPoint planned(const Trial& trial, int repetition) const;
  void read_file();
  bool held(const ScalingPoint& point) const;
  void refuse(Trial& trial, const std::string& reason);
  bool measure(Trial& trial, ScalingPoint point);

  const mpi::Communicator& world_;
  const SweepOptions& options_;
  const train::PretrainConfig& config_;
  const std::filesystem::path& file_;
  std::vector<Trial> trials_;
  Machine machine_;
  std::map<std::string, ScalingPoint> held_;  ///< of the file, on rank 0, by what tells points apart
  train::StopRequest stop_;
  int measured_ = 0;
};

}  // namespace terramill::cli
