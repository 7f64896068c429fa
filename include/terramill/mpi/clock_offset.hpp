#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstdint>

namespace terramill::mpi {

/// How this rank's steady clock stands to rank 0's, in nanoseconds.
struct ClockOffset {
  std::int64_t offset = 0;      ///< rank 0's time is this rank's plus this
  std::int64_t round_trip = 0;  ///< of the exchange that told it; the error is at most half of it
};

/// Measures the clocks against each other by ping-pong: of `exchanges` with each rank the one with the
/// smallest round trip counts, and its answer is taken to be from the middle of it (Cristian, "Probabilistic
/// clock synchronization", 1989). Rank 0 asks one rank after the other. Collective.
ClockOffset clock_offset(const Communicator& comm, int exchanges = 20);

}  // namespace terramill::mpi
