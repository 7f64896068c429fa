#pragma once

#include <terramill/train/pretrain_config.hpp>

#include <string>
#include <vector>

namespace terramill::train {

/// Declares those options of `pretrain` that an experiment's file may hold: all but the folders and what a
/// run begins with. Their defaults are the present values.
void add_recipe_options(OptionTable& table, PretrainConfig& config);

/// The name of the file that --config gives in a command line, without its ending; the model's family and
/// size where there is none.
std::string recipe_name(const std::vector<std::string>& arguments, const ModelOptions& model);

}  // namespace terramill::train
