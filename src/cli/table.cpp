#include "commands.hpp"

namespace terramill::cli {

const std::vector<CommandEntry>& commands() {
  static const std::vector<CommandEntry> table = {
      {"sample", "plan an epoch: which tiles, in which order", sample},
  };
  return table;
}

}  // namespace terramill::cli
