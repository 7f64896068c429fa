#pragma once

#include <filesystem>
#include <string>

namespace terramill::checkpoint {

/// A checkpoint's directory in the making, under a temporary name of its own: ranks of an earlier start that
/// still live on a node that was cut off cannot write into it. Removed at destruction unless it was
/// published.
class NewDirectory {
 public:
  /// Makes RUN/checkpoints and in it the temporary directory, after mending what kills left there. IoError.
  NewDirectory(const std::filesystem::path& folder, std::string name);
  ~NewDirectory();
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Adds the index and gives the directory its name, in place of an older one. Durable. IoError. Then has
  /// `latest` name it; where that fails, the log warns.
  void publish(const std::string& index);

 private:
  std::filesystem::path folder_;
  std::string name_;
  std::filesystem::path path_;
  bool published_ = false;
};

}  // namespace terramill::checkpoint
