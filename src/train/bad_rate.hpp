#pragma once

#include <terramill/loader/loader.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <vector>

namespace terramill::train {

/// On rank 0 what all ranks know of replaced tiles, each tile once; empty elsewhere. Collective.
std::vector<loader::Replacement> gather_replacements(const mpi::Communicator& comm,
                                                     const std::vector<loader::Replacement>& mine);

/// As loader::require_bad_rate, on all ranks; the error of rank 0 lists what all know. `replaced` and
/// `positions` are equal on all. Collective.
void require_bad_rate(const mpi::Communicator& comm, std::uint64_t replaced, std::uint64_t positions,
                      double max_bad_rate, const std::vector<loader::Replacement>& mine);

}  // namespace terramill::train
