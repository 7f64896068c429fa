#pragma once

#include "support/shared_scratch.hpp"

#include <terramill/core/hash.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>

namespace terramill::corpus {

/// The shared raw folder: 64 entries, of which one lacks its file and one has a band too few.
inline std::filesystem::path raw_folder() {
  if (const char* shared = std::getenv("TERRAMILL_SHARED")) {
    return std::filesystem::path(shared) / "data/mmearth/raw/data_tiny_v001_64";
  }
  const char* source = std::getenv("TERRAMILL_SOURCE_DIR");
  return std::filesystem::path(source == nullptr ? "." : source) /
         "../shared/data/mmearth/raw/data_tiny_v001_64";
}

/// A test whose ranks share a folder that rank 0 makes and removes; skipped where the shared data is not.
class RawCorpusTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(raw_folder())) GTEST_SKIP() << "the shared data is not at " << raw_folder();
  }

  BuildOptions options(const std::string& name, std::uint64_t shard_tiles = 8) const {
    BuildOptions options;
    options.source.kind = "mmearth-tiles";
    options.source.input = raw_folder();
    options.source.validation_share = 0.2;
    options.output = scratch_ / name;
    options.shard_tiles = shard_tiles;
    options.threads = 1;
    return options;
  }

  /// Every file below a folder with its hash.
  static std::map<std::string, std::string> files(const std::filesystem::path& folder) {
    std::map<std::string, std::string> hashes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().lexically_relative(folder).string();
      hashes[name] = entry.is_directory() ? "folder" : to_hex(xxh3_file(entry.path()));
    }
    return hashes;
  }

  mpi::Communicator world_ = mpi::Communicator::world();
  const testing::SharedScratch scratch_{world_};
};

}  // namespace terramill::corpus
