#include <terramill/train/step_phases.hpp>

#include <algorithm>

namespace terramill::train {

StepPhases StepPhases::of(double seconds, const PhaseSeconds& between) noexcept {
  StepPhases phases;
  phases.communication_exposed = between[Phase::kExposed];
  phases.communication_hidden = between.hidden;
  phases.data_wait = between[Phase::kDataWait];
  phases.compute = std::max(0.0, seconds - phases.communication_exposed - phases.data_wait);
  return phases;
}

StepPhases& StepPhases::operator+=(const StepPhases& other) noexcept {
  compute += other.compute;
  communication_exposed += other.communication_exposed;
  communication_hidden += other.communication_hidden;
  data_wait += other.data_wait;
  checkpoint += other.checkpoint;
  return *this;
}

}  // namespace terramill::train
