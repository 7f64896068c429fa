#pragma once

#include <terramill/core/error.hpp>

namespace terramill::mpi {

/// Another rank failed, and told its error (mpi::all_or_none).
class PeerError : public Error {
 public:
  using Error::Error;
};

}  // namespace terramill::mpi
