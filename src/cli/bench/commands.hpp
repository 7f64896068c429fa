#pragma once

#include "../commands.hpp"

namespace terramill::cli {

int bench(const Context& context, const std::vector<std::string>& arguments);
int bench_link(const Context& context, const std::vector<std::string>& arguments);

}  // namespace terramill::cli
