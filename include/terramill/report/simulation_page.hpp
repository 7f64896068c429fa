#pragma once

#include <terramill/report/simulate.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace terramill::report {

/// "measured" for a prediction within the measured points, else "scenario".
std::string kind_of(const Prediction& prediction);

/// What `simulate --json` prints: the best layout of each count of GPUs (null where none fits), measured
/// against predicted, and every constant with its origin. SI units.
Json to_json(const Simulator& simulator, const std::vector<Choice>& choices);

/// Writes a page of the same: `output` itself where it ends in .html, else `output`/index.html. Returns the
/// sections' ids. IoError when it cannot be written.
std::vector<std::string> write_simulation_page(const Simulator& simulator, const std::vector<Choice>& choices,
                                               const std::filesystem::path& output);

}  // namespace terramill::report
