#include <terramill/core/activity.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/mpi/clock_offset.hpp>

#include <limits>

namespace terramill::mpi {

namespace {

constexpr int kTag = 0;

std::int64_t receive(const Communicator& comm, int from) {
  std::int64_t value = 0;
  check(MPI_Recv(&value, 1, MPI_INT64_T, from, kTag, comm.native(), MPI_STATUS_IGNORE), "compare clocks");
  beat();
  return value;
}

void send(const Communicator& comm, int to, std::int64_t value) {
  check(MPI_Send(&value, 1, MPI_INT64_T, to, kTag, comm.native()), "compare clocks");
}

/// On rank 0: how the clock of `peer` stands to this one.
ClockOffset ask(const Communicator& comm, int peer, int exchanges) {
  ClockOffset best{0, std::numeric_limits<std::int64_t>::max()};
  for (int i = 0; i < exchanges; ++i) {
    const std::int64_t asked = trace::now();
    send(comm, peer, 0);
    const std::int64_t theirs = receive(comm, peer);
    const std::int64_t round_trip = trace::now() - asked;
    if (round_trip < best.round_trip) best = {asked + round_trip / 2 - theirs, round_trip};
  }
  return best;
}

}  // namespace

ClockOffset clock_offset(const Communicator& comm, int exchanges) {
  const Activity activity("compare clocks");
  if (comm.rank() == 0) {
    for (int peer = 1; peer < comm.size(); ++peer) {
      const ClockOffset theirs = ask(comm, peer, exchanges);
      send(comm, peer, theirs.offset);
      send(comm, peer, theirs.round_trip);
    }
    return {};
  }
  for (int i = 0; i < exchanges; ++i) {
    receive(comm, 0);
    send(comm, 0, trace::now());
  }
  const std::int64_t offset = receive(comm, 0);
  return {offset, receive(comm, 0)};
}

}  // namespace terramill::mpi
