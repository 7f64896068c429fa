#pragma once

#include "measuring.hpp"

#include <terramill/core/json.hpp>

#include <iosfwd>

namespace terramill::cli {

/// The sweep as a table, a line for each trial: medians over its repetitions, and the spread of the rates.
void print_table(std::ostream& out, const Sweep& sweep);

/// The same for --json: {"measured", "trials": [{"layout", "points", "images_per_second", ..., "refusal"}]}.
Json describe(const Sweep& sweep);

}  // namespace terramill::cli
