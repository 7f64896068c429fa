#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace terramill {
namespace {

[[noreturn]] void fail(const std::string& verb, const std::filesystem::path& path, int error_number,
                       std::source_location where = std::source_location::current()) {
  throw IoError("cannot " + verb + " " + path.string(), error_number, {"", path.string(), ""}, where);
}

int open_or_throw(const std::filesystem::path& path, int flags, const char* verb) {
  const Activity activity("open", path);
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) fail(verb, path, errno);
  return fd;
}

/// Writes all of `bytes` through `put(data, size, position)`, a write or pwrite.
template <typename Put>
void write_all(std::span<const std::byte> bytes, const std::filesystem::path& path, Put put) {
  const Activity activity("write", path);
  if (const int injected = fault_points::file_event(fault_points::FileEvent::kWrite, path)) {
    fail("write", path, injected);
  }
  std::size_t position = 0;
  while (position < bytes.size()) {
    const ssize_t written = put(bytes.data() + position, bytes.size() - position, position);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("write", path, errno);
    }
    position += static_cast<std::size_t>(written);
    beat();
  }
}

/// Reads a whole file into `content`, also one whose size the system does not tell (/proc).
template <typename Container>
Container read_whole(const std::filesystem::path& path) {
  constexpr std::size_t kLeastBlock = 4096;
  const auto file = FileDescriptor::open_read(path);
  const Activity activity("read", path);
  Container content(static_cast<std::size_t>(file.size()) + 1, typename Container::value_type{});
  std::size_t filled = 0;
  for (;;) {
    if (filled == content.size()) content.resize(content.size() + std::max(content.size(), kLeastBlock));
    const ssize_t count = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read", path, errno);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    beat();
  }
  content.resize(filled);
  return content;
}

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

FileDescriptor FileDescriptor::open_read(const std::filesystem::path& path) {
  return {open_or_throw(path, O_RDONLY, "open"), path};
}

FileDescriptor FileDescriptor::create(const std::filesystem::path& path) {
  FileDescriptor file(open_or_throw(path, O_RDWR | O_CREAT | O_TRUNC, "create"), path);
  if (const int injected = fault_points::file_event(fault_points::FileEvent::kCreated, path)) {
    fail("create", path, injected);
  }
  return file;
}

FileDescriptor FileDescriptor::append(const std::filesystem::path& path) {
  return {open_or_throw(path, O_WRONLY | O_CREAT | O_APPEND, "open for appending"), path};
}

FileDescriptor::~FileDescriptor() {
  // Nobody is left to hear of a late error; who needs to know calls close().
  if (fd_ >= 0) static_cast<void>(::close(fd_));
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

std::uint64_t FileDescriptor::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail("stat", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void FileDescriptor::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  const Activity activity("read", path_);
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t count =
        ::pread(fd_, into.data() + filled, into.size() - filled, static_cast<off_t>(offset + filled));
    if (count < 0) {
      if (errno == EINTR) continue;
      fail("read", path_, errno);
    }
    if (count == 0) {
      throw FormatError(path_.string() + " is truncated: it ends at byte " + std::to_string(offset + filled) +
                            ", but " + std::to_string(into.size()) + " bytes at " + std::to_string(offset) +
                            " are wanted",
                        {"read", path_.string(), ""});
    }
    filled += static_cast<std::size_t>(count);
    beat();
  }
}

void FileDescriptor::write(std::span<const std::byte> bytes) {
  write_all(bytes, path_, [this](const std::byte* data, std::size_t size, std::size_t) {
    return ::write(fd_, data, size);
  });
}

void FileDescriptor::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  write_all(bytes, path_, [this, offset](const std::byte* data, std::size_t size, std::size_t position) {
    return ::pwrite(fd_, data, size, static_cast<off_t>(offset + position));
  });
}

void FileDescriptor::begin_sync(std::uint64_t begin, std::uint64_t end) noexcept {
  // A page that is half written would go to the disk twice.
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  begin -= begin % page;
  end -= end % page;
  if (begin >= end) return;
  const int errno_before = errno;
  static_cast<void>(::sync_file_range(fd_, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                                      SYNC_FILE_RANGE_WRITE));
  errno = errno_before;
}

void FileDescriptor::begin_read(std::uint64_t begin, std::uint64_t end) const noexcept {
  if (begin >= end) return;
  static_cast<void>(
      ::posix_fadvise(fd_, static_cast<off_t>(begin), static_cast<off_t>(end - begin), POSIX_FADV_WILLNEED));
}

void FileDescriptor::sync() {
  const Activity activity("sync", path_);
  while (::fsync(fd_) != 0) {
    if (errno != EINTR) fail("sync", path_, errno);
  }
  beat();
}

void FileDescriptor::close() {
  if (fd_ < 0) return;
  // After EINTR Linux has closed the descriptor all the same.
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) fail("close", path_, errno);
}

std::string read_text(const std::filesystem::path& path) { return read_whole<std::string>(path); }

std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  return read_whole<std::vector<std::byte>>(path);
}

void sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor file = FileDescriptor::open_read(directory);
  const Activity activity("sync", directory);
  while (::fsync(file.get()) != 0) {
    if (errno == EINVAL || errno == ENOTSUP) return;  // a file system that knows no fsync of directories
    if (errno != EINTR) fail("sync the directory", directory, errno);
  }
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  return path.parent_path() / ("." + path.filename().string() + ".tmp");
}

void publish(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  {
    FileDescriptor file = FileDescriptor::open_read(temporary);
    file.sync();
    file.close();
  }
  const Activity activity("rename", path);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    fail("rename " + temporary.string() + " to", path, errno);
  }
  sync_directory(directory_of(path));
}

void write_file_durably(const std::filesystem::path& path, std::string_view content) {
  const auto temporary = temporary_name(path);
  try {
    FileDescriptor file = FileDescriptor::create(temporary);
    file.write(std::as_bytes(std::span(content.data(), content.size())));
    file.sync();
    file.close();
    publish(temporary, path);
  } catch (const IoError&) {
    std::error_code ignored;  // a full disk needs the space
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

DirectoryLock::DirectoryLock(const std::filesystem::path& directory, const std::string& purpose)
    : file_(FileDescriptor::append(directory / ".lock")) {
  while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) {
      throw UsageError(directory.string() + " is in use by another " + purpose,
                       {"lock the directory", directory.string(),
                        "wait for the other process to end, or choose another directory"});
    }
    throw IoError("cannot lock " + file_.path().string(), errno,
                  {"lock the directory for " + purpose, directory.string(),
                   errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK
                       ? "the file system must support flock (Lustre: mount with -o flock)"
                       : ""});
  }
}

DirectoryLock::~DirectoryLock() = default;

}  // namespace terramill
