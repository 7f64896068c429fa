#include "checkpoint_text.hpp"
#include "commands.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/train/pretraining.hpp>

namespace terramill::cli {

int pretrain(const Context& context, const std::vector<std::string>& arguments) {
  train::PretrainConfig config = train::defaults_of(train::family_of(arguments));
  OptionTable table = train::pretrain_options(config);
  if (!table.parse(arguments, context.out)) return static_cast<int>(ExitCode::kDone);
  context.faults.arm(config.fault, "pretrain", std::filesystem::path(config.output) / "faults", true);
  const ExitCode code = train::pretrain(context.world, config, table);
  if (table.json() && context.world.rank() == 0) {
    context.out << dump_json({{"run", config.output},
                              {"finished", code == ExitCode::kDone},
                              {"checkpoint", newest_of(checkpoint::list(config.output)).string()}})
                << '\n';
  }
  return static_cast<int>(code);
}

}  // namespace terramill::cli
