// A file system whose writes fail, for tests: faulty_disk eio|enospc FOLDER
//
// Mounts itself over FOLDER, whose content it shows, and runs until it is unmounted. Reading, listing and
// removing work; whatever would keep something new fails with the error: creating, writing, growing, syncing,
// renaming, linking. Through libfuse 3; needs root and /dev/fuse.

#define FUSE_USE_VERSION 31
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <fuse.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace {

int g_root = -1;  // the folder below the mount
int g_error = EIO;

/// `path` as seen from the folder below: FUSE's begin with a slash.
const char* below(const char* path) { return path[1] == '\0' ? "." : path + 1; }

int result(int returned) { return returned < 0 ? -errno : 0; }

int get_attributes(const char* path, struct stat* status, fuse_file_info*) {
  return result(fstatat(g_root, below(path), status, AT_SYMLINK_NOFOLLOW));
}

int read_directory(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
                   fuse_readdir_flags) {
  const int fd = openat(g_root, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd), &closedir);
  if (!directory) return -errno;
  while (const dirent* entry = readdir(directory.get())) {
    if (fill(buffer, entry->d_name, nullptr, 0, fuse_fill_dir_flags{}) != 0) break;
  }
  return 0;
}

int open_file(const char* path, fuse_file_info* info) {
  if ((info->flags & O_TRUNC) != 0) return -g_error;
  const int fd = openat(g_root, below(path), info->flags | O_CLOEXEC);
  if (fd < 0) return -errno;
  info->fh = static_cast<std::uint64_t>(fd);
  return 0;
}

int descriptor(const fuse_file_info* info) { return static_cast<int>(info->fh); }

int read_file(const char*, char* buffer, std::size_t size, off_t offset, fuse_file_info* info) {
  const ssize_t count = pread(descriptor(info), buffer, size, offset);
  return count < 0 ? -errno : static_cast<int>(count);
}

int release_file(const char*, fuse_file_info* info) { return result(close(descriptor(info))); }

int lock_file(const char*, fuse_file_info* info, int operation) {
  return result(flock(descriptor(info), operation));
}

int remove_file(const char* path) { return result(unlinkat(g_root, below(path), 0)); }

int remove_directory(const char* path) { return result(unlinkat(g_root, below(path), AT_REMOVEDIR)); }

int file_system(const char*, struct statvfs* status) { return result(fstatvfs(g_root, status)); }

fuse_operations operations() {
  fuse_operations table{};
  table.getattr = get_attributes;
  table.readdir = read_directory;
  table.open = open_file;
  table.read = read_file;
  table.release = release_file;
  table.flock = lock_file;
  table.unlink = remove_file;
  table.rmdir = remove_directory;
  table.statfs = file_system;
  table.create = [](const char*, mode_t, fuse_file_info*) { return -g_error; };
  table.write = [](const char*, const char*, std::size_t, off_t, fuse_file_info*) { return -g_error; };
  table.truncate = [](const char*, off_t, fuse_file_info*) { return -g_error; };
  table.fsync = [](const char*, int, fuse_file_info*) { return -g_error; };
  table.mkdir = [](const char*, mode_t) { return -g_error; };
  table.rename = [](const char*, const char*, unsigned) { return -g_error; };
  table.link = [](const char*, const char*) { return -g_error; };
  table.symlink = [](const char*, const char*) { return -g_error; };
  return table;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string error = argc == 3 ? argv[1] : "";
  if (error != "eio" && error != "enospc") {
    std::fputs("usage: faulty_disk eio|enospc FOLDER\n", stderr);
    return 2;
  }
  g_error = error == "eio" ? EIO : ENOSPC;
  g_root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (g_root < 0) {
    std::fprintf(stderr, "faulty_disk: cannot open %s: %s\n", argv[2], std::strerror(errno));
    return 1;
  }
  // One thread, in the foreground, open to every user.
  std::array<std::string, 5> texts = {"faulty_disk", "-s", "-f", "-oallow_other", argv[2]};
  std::array<char*, texts.size()> words{};
  for (std::size_t i = 0; i < texts.size(); ++i) words[i] = texts[i].data();
  const fuse_operations table = operations();
  return fuse_main(static_cast<int>(words.size()), words.data(), &table, nullptr);
}
