#pragma once

#include <terramill/core/phase.hpp>

namespace terramill::train {

/// Where a rank's time went in one step, in seconds. The first three add up to the step; hidden communication
/// went on meanwhile, and the checkpoint came before the step.
struct StepPhases {
  double compute = 0;                ///< what is left of the step: forward, backward, optimiser, the rest
  double communication_exposed = 0;  ///< this rank's training thread waited for collectives
  double communication_hidden = 0;   ///< a communication thread was busy and the training thread did not wait
  double data_wait = 0;              ///< waiting for the loader, and planning where an epoch begins
  double checkpoint = 0;             ///< saving since the step before

  /// Of a step of `seconds`; `between`: what phase_seconds() gained meanwhile. `checkpoint` is 0.
  static StepPhases of(double seconds, const PhaseSeconds& between) noexcept;

  StepPhases& operator+=(const StepPhases& other) noexcept;
};

}  // namespace terramill::train
