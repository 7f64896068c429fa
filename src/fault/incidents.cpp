#include <terramill/core/options.hpp>
#include <terramill/fault/incidents.hpp>

#include <charconv>
#include <system_error>

namespace terramill::fault {

std::set<std::int64_t> parse_steps(const std::string& text) {
  std::set<std::int64_t> steps;
  for (const std::string& item : split_list(text)) {
    std::int64_t step = 0;
    const auto [end, fault] = std::from_chars(item.data(), item.data() + item.size(), step);
    if (fault != std::errc() || end != item.data() + item.size() || step < 1) {
      throw UsageError("\"" + item + "\" is no step",
                       {"read fault.skip_batches", text, "give numbers from 1 on, comma-separated"});
    }
    steps.insert(step);
  }
  return steps;
}

Incidents::Next Incidents::unstable(std::int64_t step, const std::string& reason) {
  if (suspects_.insert(step).second) return Next::kReplay;
  found_.insert(step);
  if (found_.size() > static_cast<std::size_t>(max_skips_)) {
    throw UnstableError(
        "training is unstable: " + std::to_string(found_.size()) + " batches had to be skipped",
        {"train", "step " + std::to_string(step) + ": " + reason,
         "look at the corpus; resume with a larger fault.max_skips than " + std::to_string(max_skips_) +
             ", or start a new run with --init-from and a lower train.lr"});
  }
  return Next::kSkip;
}

void Incidents::corrupt(std::int64_t step, const std::string& who) {
  if (corrupt_step_ && step <= *corrupt_step_) {
    throw CorruptionError("the state was corrupted again in the replay: " + who,
                          {"train", "step " + std::to_string(step), "leave that host out, then --resume"});
  }
  corrupt_step_ = step;
}

void Incidents::restore(const std::set<std::int64_t>& skipped) {
  for (const std::int64_t step : skipped) {
    if (!wanted_.contains(step)) found_.insert(step);
  }
}

}  // namespace terramill::fault
