#pragma once

#include "support/testing.hpp"

#include <filesystem>
#include <stdexcept>
#include <string>

#include <unistd.h>

namespace terramill::testing {

/// An empty folder for one test, removed with all it holds.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "terramill-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// A test with an empty folder of its own.
class ScratchTest : public ::testing::Test {
 private:
  const Scratch scratch_;

 protected:
  const std::filesystem::path& folder_ = scratch_.path();
};

}  // namespace terramill::testing
