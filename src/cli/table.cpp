#include "commands.hpp"

namespace terramill::cli {

const std::vector<CommandEntry>& commands() {
  static const std::vector<CommandEntry> table = {};
  return table;
}

}  // namespace terramill::cli
