#pragma once

#include <terramill/train/pretrain_config.hpp>

namespace terramill::train {

/// Declares those options of `pretrain` that an experiment's file may hold: all but the folders and what a
/// run begins with. Their defaults are the present values.
void add_recipe_options(OptionTable& table, PretrainConfig& config);

}  // namespace terramill::train
