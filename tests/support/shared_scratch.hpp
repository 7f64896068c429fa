#pragma once

#include "support/testing.hpp"

#include <terramill/core/error.hpp>
#include <terramill/mpi/communicator.hpp>

#include <filesystem>
#include <string>

#include <unistd.h>

namespace terramill::testing {

/// An empty folder that all ranks share, made by rank 0 and removed by it. Collective, also at its end.
class SharedScratch {
 public:
  explicit SharedScratch(const mpi::Communicator& comm) : comm_(comm) {
    std::string name = (std::filesystem::temp_directory_path() / "terramill-test-XXXXXX").string();
    if (comm.rank() == 0 && ::mkdtemp(name.data()) == nullptr) name.clear();
    path_ = comm.broadcast(name);
    if (path_.empty()) throw Error("mkdtemp failed");
  }
  ~SharedScratch() {
    comm_.barrier();
    std::error_code ignored;
    if (comm_.rank() == 0) std::filesystem::remove_all(path_, ignored);
  }
  SharedScratch(const SharedScratch&) = delete;
  SharedScratch& operator=(const SharedScratch&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  const mpi::Communicator& comm_;
  std::filesystem::path path_;
};

}  // namespace terramill::testing
