#pragma once

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/fault/guard.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace terramill::train {

/// The hyper-parameter that a run with a plan has in place of the option `plan`: the hash of the file.
inline constexpr const char* kPlanContent = "plan's content";

/// Where a run stands: everything of a checkpoint but its tensors. Samples are named by (epoch, step), since
/// all random numbers are functions of those.
struct RunState {
  std::int64_t step = 0;  ///< steps done
  std::uint64_t steps_per_epoch = 0;
  std::uint64_t corpus_content = 0;
  std::vector<std::pair<std::string, std::string>> hyper_parameters;
  std::vector<loader::Replacement> replaced;  ///< in the current epoch
  std::set<std::int64_t> skipped;             ///< steps whose batch was passed over
  fault::Guard::Window accepted;              ///< what the guards compare the next step with

  Json to_json(const parallel::Mesh& mesh) const;
  static RunState from_json(const Json& meta, std::int64_t step, const std::string& origin);
};

/// UsageError naming every hyper-parameter that differs, with both values, or another corpus or length of its
/// epochs. Of a checkpoint that only tells where its plan lay any plan is taken.
void require_same_run(const RunState& saved, const RunState& now, const std::string& checkpoint);

/// Reads from the checkpoint what of its tensors is held here. IntegrityError where bytes are damaged.
void restore_tensors(const checkpoint::Reader& checkpoint,
                     const std::vector<checkpoint::StateTensor>& tensors);

}  // namespace terramill::train
