#pragma once

// The folder of a corpus under construction, as rank 0 keeps it; internal to the corpus room.

#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/manifest.hpp>

#include <filesystem>
#include <optional>
#include <vector>

namespace terramill::corpus {

class BuildFolder {
 public:
  /// Takes the folder for a build with these options (name to text), creating it where needed; what a killed
  /// build left half written is removed. Throws as `build` does.
  BuildFolder(std::filesystem::path corpus, const Json& options);

  /// The manifest of a corpus that is complete; nothing is locked then.
  const std::optional<Manifest>& finished() const noexcept { return finished_; }
  /// Shards of [0, shards) without a part.
  std::vector<std::uint64_t> missing(std::uint64_t shards) const;
  /// How many parts there are.
  std::uint64_t parts() const;
  /// Removes .build, once the manifest is written.
  void remove_parts();

 private:
  std::filesystem::path corpus_;
  std::optional<Manifest> finished_;
  std::optional<DirectoryLock> lock_;
};

}  // namespace terramill::corpus
