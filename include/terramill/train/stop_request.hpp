#pragma once

namespace terramill::train {

/// Listens for a request to stop: SIGUSR1 (what jobs/pretrain.sbatch asks Slurm to send before the time
/// limit) and SIGTERM. One at a time; earlier handlers come back at destruction.
class StopRequest {
 public:
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  /// Whether this process has been asked. Ranks must agree before they act on it.
  bool pending() const noexcept;
};

}  // namespace terramill::train
