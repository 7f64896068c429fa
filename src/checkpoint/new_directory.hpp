#pragma once

#include <filesystem>
#include <string>

namespace terramill::checkpoint {

/// A checkpoint's directory in the making, under its temporary name: removed at destruction unless it was
/// published.
class NewDirectory {
 public:
  /// Makes RUN/checkpoints and in it the temporary directory, after mending what kills left there. IoError.
  NewDirectory(const std::filesystem::path& folder, std::string name);
  ~NewDirectory();
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Adds the index, gives the directory its name, in place of an older one, and has `latest` name it.
  /// Durable. IoError.
  void publish(const std::string& index);

 private:
  std::filesystem::path folder_;
  std::string name_;
  std::filesystem::path path_;
  bool published_ = false;
};

}  // namespace terramill::checkpoint
