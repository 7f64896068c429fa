#include "run_state.hpp"

#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <torch/torch.h>

namespace terramill::train {

Json RunState::to_json(const parallel::Mesh& mesh) const {
  Json config = Json::object(), replacements = Json::array(), window = Json::array();
  for (const auto& [name, value] : hyper_parameters) config[name] = value;
  for (const loader::Replacement& entry : replaced) replacements.push_back(loader::to_json(entry));
  for (const fault::AcceptedStep& done : accepted) window.push_back({done.loss, done.norm});
  const auto done = static_cast<std::uint64_t>(step);
  return {{"step", step},
          {"epoch", done / steps_per_epoch},
          {"step_in_epoch", done % steps_per_epoch},
          {"steps_per_epoch", steps_per_epoch},
          {"corpus", to_hex(corpus_content)},
          {"layout", {{"dp", mesh.dp()}, {"tp", mesh.tp()}}},
          {"config", config},
          {"replaced", replacements},
          {"skipped", skipped},
          {"accepted", window}};
}

RunState RunState::from_json(const Json& meta, std::int64_t step, const std::string& origin) {
  RunState state;
  state.step = step;
  state.steps_per_epoch = json_get<std::uint64_t>(meta, "steps_per_epoch", origin);
  state.corpus_content = from_hex(json_get<std::string>(meta, "corpus", origin));
  const Json config = json_get<Json>(meta, "config", origin);
  for (const auto& [name, value] : config.items()) {
    state.hyper_parameters.emplace_back(name, value.get<std::string>());
  }
  for (const Json& entry : json_get<Json>(meta, "replaced", origin)) {
    state.replaced.push_back(loader::replacement_from_json(entry, origin));
  }
  // Checkpoints that were made before the guards have neither.
  if (meta.contains("skipped")) state.skipped = json_get<std::set<std::int64_t>>(meta, "skipped", origin);
  if (meta.contains("accepted")) {
    for (const auto& [loss, norm] :
         json_get<std::vector<std::pair<double, double>>>(meta, "accepted", origin)) {
      state.accepted.push_back({loss, norm});
    }
  }
  return state;
}

namespace {

/// Options that came after the first checkpoints, with what a checkpoint without them was made with.
const std::map<std::string, std::string>& later_options() {
  static const std::map<std::string, std::string> values = {{"train.reduction_dtype", "float32"}};
  return values;
}

/// Older checkpoints have the plan's path, and nobody knows what was in it: any plan stands for it.
void know_plan(std::map<std::string, std::string>& before, const RunState& now) {
  const auto path = before.extract("plan");
  if (path.empty() || path.mapped().empty()) return;
  const auto content =
      std::ranges::find(now.hyper_parameters, kPlanContent, &std::pair<std::string, std::string>::first);
  before.emplace(kPlanContent, content == now.hyper_parameters.end() ? path.mapped() : content->second);
}

}  // namespace

void require_same_run(const RunState& saved, const RunState& now, const std::string& checkpoint) {
  std::map<std::string, std::string> before(saved.hyper_parameters.begin(), saved.hyper_parameters.end());
  for (const auto& [name, value] : later_options()) before.emplace(name, value);
  know_plan(before, now);
  std::string differences;
  const auto note = [&](const std::string& name, const std::string& old_value, const std::string& new_value) {
    differences +=
        (differences.empty() ? "" : ", ") + name + " (was \"" + old_value + "\", is \"" + new_value + "\")";
  };
  for (const auto& [name, value] : now.hyper_parameters) {
    const auto found = before.find(name);
    if (found == before.end()) {
      note(name, "unset", value);
    } else {
      if (found->second != value) note(name, found->second, value);
      before.erase(found);
    }
  }
  for (const auto& [name, value] : before) note(name, value, "unset");
  if (!differences.empty()) {
    throw UsageError("the checkpoint was made with other hyper-parameters: " + differences,
                     {"resume", checkpoint, "use the old values, or start a new run with --init-from"});
  }
  if (saved.corpus_content != now.corpus_content) {
    throw UsageError("the checkpoint was made with another corpus: content " + to_hex(saved.corpus_content) +
                         ", not " + to_hex(now.corpus_content),
                     {"resume", checkpoint,
                      "give --corpus the one it was made with, or start a new run with --init-from"});
  }
  if (saved.steps_per_epoch != now.steps_per_epoch) {
    throw UsageError("the checkpoint's epochs have " + std::to_string(saved.steps_per_epoch) +
                         " steps, not " + std::to_string(now.steps_per_epoch),
                     {"resume", checkpoint, "give the same plan, or start a new run with --init-from"});
  }
}

void restore_tensors(const checkpoint::Reader& checkpoint,
                     const std::vector<checkpoint::StateTensor>& tensors) {
  const torch::NoGradGuard no_grad;
  for (const checkpoint::StateTensor& tensor : tensors) checkpoint.read_into(tensor);
}

}  // namespace terramill::train
