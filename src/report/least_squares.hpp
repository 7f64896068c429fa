#pragma once

#include <vector>

namespace terramill::report {

/// The least-squares solution of rows x = right with x >= 0, each equation times its weight. Tries every
/// choice of unknowns that are 0, which finds the minimum where it is unique; meant for a handful of
/// unknowns. Of several minima, as with columns that depend on one another, the one with the most zeros. All
/// rows have as many elements as there are unknowns.
std::vector<double> non_negative_least_squares(const std::vector<std::vector<double>>& rows,
                                               const std::vector<double>& right,
                                               const std::vector<double>& weights);

}  // namespace terramill::report
