#include <terramill/core/options.hpp>
#include <terramill/train/pretraining.hpp>

#include "commands.hpp"

namespace terramill::cli {

int pretrain(const Context& context, const std::vector<std::string>& arguments) {
  train::PretrainConfig config;
  OptionTable table("terramill pretrain --config F.ini --corpus CORPUS --output RUN [--resume | --init-from W]",
                    "Pretrains MP-MAE on a corpus, on any number of ranks.");
  train::add_options(table, config);
  if (!table.parse(arguments, context.out)) return static_cast<int>(ExitCode::kDone);
  return static_cast<int>(train::pretrain(context.world, config, table));
}

}  // namespace terramill::cli
