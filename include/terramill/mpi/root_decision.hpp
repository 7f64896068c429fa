#pragma once

// What rank 0 decides alone and all ranks must hear of.

#include <terramill/core/error.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/mpi/meeting.hpp>

#include <exception>
#include <string>

namespace terramill::mpi {

/// Runs `job` on rank 0. When it throws a UsageError, every rank throws one, so that the job ends with its
/// exit code whichever rank ends first; another exception is rank 0's own, and an Error elsewhere. The other
/// ranks wait in a Meeting: for as long as `job` gets on they are not silent. Collective.
template <typename F>
void on_root(const Communicator& comm, F job) {
  std::exception_ptr misuse;
  std::string text;
  all_or_none(comm, [&] {
    work_and_meet(comm, [&] {
      if (comm.rank() != 0) return;
      try {
        job();
      } catch (const UsageError& error) {
        misuse = std::current_exception();
        text = error.message();
      }
    });
  });
  text = comm.broadcast(text);
  if (misuse) std::rethrow_exception(misuse);
  if (!text.empty()) throw UsageError(text);
}

}  // namespace terramill::mpi
