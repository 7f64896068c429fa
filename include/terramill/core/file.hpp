#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terramill {

/// A POSIX file descriptor. Every member throws IoError with the path and errno's text. Reads, writes and
/// syncs are activities and beats (core/activity.hpp); what is created and written can be made to fail
/// (core/fault_points.hpp).
class FileDescriptor {
 public:
  FileDescriptor() = default;
  static FileDescriptor open_read(const std::filesystem::path& path);
  /// Creates or truncates.
  static FileDescriptor create(const std::filesystem::path& path);
  /// Creates, or opens what is there, for appending.
  static FileDescriptor append(const std::filesystem::path& path);
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const;
  /// Reads exactly `into.size()` bytes at `offset`; FormatError "truncated" when the file ends before.
  void read_at(std::uint64_t offset, std::span<std::byte> into) const;
  void write(std::span<const std::byte> bytes);
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Two hints, by which the disk works while the process still computes. What they leave undone, sync() and
  /// read_at() do; where the file system knows no such hint, that is everything.
  ///   begin_sync: write out the pages that begin in [begin, end).
  ///   begin_read: [begin, end) will be read soon.
  void begin_sync(std::uint64_t begin, std::uint64_t end) noexcept;
  void begin_read(std::uint64_t begin, std::uint64_t end) const noexcept;
  void sync();
  /// Closes now, so that a late write error is not lost.
  void close();

 private:
  FileDescriptor(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& path);
std::vector<std::byte> read_bytes(const std::filesystem::path& path);

/// Makes a directory's entries durable (fsync of the directory).
void sync_directory(const std::filesystem::path& directory);

/// Name under which a file is written before `publish` gives it its own: `.NAME.tmp` in the same directory,
/// so that what has its final name is whole.
std::filesystem::path temporary_name(const std::filesystem::path& path);
/// Syncs the temporary file, renames it to `path` and syncs the directory.
void publish(const std::filesystem::path& temporary, const std::filesystem::path& path);
/// Writes a whole file durably: temporary name, sync, rename, sync of the directory.
void write_file_durably(const std::filesystem::path& path, std::string_view content);

/// An exclusive lock on a directory (flock on `.lock` inside), held until destruction and released by the
/// kernel when the process dies.
class DirectoryLock {
 public:
  /// UsageError naming the directory when another process holds it; `purpose` says what it is for ("corpus
  /// build").
  DirectoryLock(const std::filesystem::path& directory, const std::string& purpose);
  ~DirectoryLock();
  DirectoryLock(DirectoryLock&&) noexcept = default;
  DirectoryLock& operator=(DirectoryLock&&) noexcept = default;

 private:
  FileDescriptor file_;
};

}  // namespace terramill
