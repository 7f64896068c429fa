#include "checks.hpp"

#include <terramill/mpi/launcher.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace terramill::cli {
namespace {

constexpr int kTag = 0;
constexpr int kExchanges = 3;  // the first of a pair also connects them

using Clock = std::chrono::steady_clock;

/// Seconds of the fastest exchange of a message, to one rank and from another.
double exchange(const mpi::Communicator& world, int to, int from) {
  std::array<std::byte, 4096> sent{}, received{};
  double best = 0;
  for (int i = 0; i < kExchanges; ++i) {
    const auto start = Clock::now();
    mpi::check(MPI_Sendrecv(sent.data(), static_cast<int>(sent.size()), MPI_BYTE, to, kTag, received.data(),
                            static_cast<int>(received.size()), MPI_BYTE, from, kTag, world.native(),
                            MPI_STATUS_IGNORE),
               "exchange a message");
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (i == 0 || seconds < best) best = seconds;
  }
  return best;
}

}  // namespace

Finding check_ping(const mpi::Communicator& world) {
  mpi::require_world(world);
  double slowest = 0;
  for (int distance = 1; distance < world.size(); ++distance) {
    const int to = (world.rank() + distance) % world.size();
    const int from = (world.rank() - distance + world.size()) % world.size();
    slowest = std::max(slowest, exchange(world, to, from));
  }
  slowest = world.max(slowest);
  const int pairs = world.size() * (world.size() - 1) / 2;
  Finding finding{.name = "ping",
                  .value = std::to_string(pairs) + " pairs of ranks reach each other, the slowest in " +
                           std::to_string(static_cast<int>(slowest * 1e6)) + " us"};
  finding.facts = {{"pairs", pairs}, {"slowest_seconds", slowest}};
  return finding;
}

}  // namespace terramill::cli
