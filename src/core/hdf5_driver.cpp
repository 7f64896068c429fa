#include "hdf5_driver.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/hdf5.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

namespace terramill::h5 {
namespace {

thread_local std::optional<WriteFailure> pending_failure;

struct DriverFile {
  H5FD_t base;  // must come first: HDF5 sees only this
  int fd;
  haddr_t end_of_allocation, end_of_file;
  bool failed;
  std::filesystem::path path;
};

DriverFile& file_of(H5FD_t* base) { return *reinterpret_cast<DriverFile*>(base); }
const DriverFile& file_of(const H5FD_t* base) { return *reinterpret_cast<const DriverFile*>(base); }

void note_failure(DriverFile& file) {
  if (!file.failed && !pending_failure) pending_failure = WriteFailure{file.path, errno};
  file.failed = true;
}

H5FD_t* open(const char* name, unsigned flags, hid_t, haddr_t) {
  int mode = (flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY;
  if ((flags & H5F_ACC_CREAT) != 0) mode |= O_CREAT;
  if ((flags & H5F_ACC_TRUNC) != 0) mode |= O_TRUNC;
  if ((flags & H5F_ACC_EXCL) != 0) mode |= O_EXCL;
  const int fd = ::open(name, mode | O_CLOEXEC, 0666);
  if (fd < 0) return nullptr;
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    static_cast<void>(::close(fd));
    return nullptr;
  }
  auto file = std::make_unique<DriverFile>();
  file->fd = fd;
  file->end_of_file = static_cast<haddr_t>(status.st_size);
  file->path = name;
  return &file.release()->base;
}

herr_t close(H5FD_t* base) {
  const std::unique_ptr<DriverFile> file(&file_of(base));
  if (::close(file->fd) != 0) note_failure(*file);
  return 0;
}

int compare(const H5FD_t* a, const H5FD_t* b) { return file_of(a).path.compare(file_of(b).path); }

herr_t query(const H5FD_t*, unsigned long* flags) {
  if (flags != nullptr) {
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
  }
  return 0;
}

haddr_t end_of_allocation(const H5FD_t* base, H5FD_mem_t) { return file_of(base).end_of_allocation; }

herr_t set_end_of_allocation(H5FD_t* base, H5FD_mem_t, haddr_t address) {
  file_of(base).end_of_allocation = address;
  return 0;
}

haddr_t end_of_file(const H5FD_t* base, H5FD_mem_t) { return file_of(base).end_of_file; }

herr_t read(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, void* buffer) {
  auto* into = static_cast<char*>(buffer);
  const Activity activity("read", file_of(base).path);
  while (size > 0) {
    const ssize_t count = ::pread(file_of(base).fd, into, size, static_cast<off_t>(address));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) {
      // What was allocated but never written reads as zeros.
      std::memset(into, 0, size);
      return 0;
    }
    into += count;
    address += static_cast<haddr_t>(count);
    size -= static_cast<std::size_t>(count);
  }
  return 0;
}

herr_t write(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, const void* buffer) {
  DriverFile& file = file_of(base);
  const Activity activity("write", file.path);
  if (const int injected = fault_points::file_event(fault_points::FileEvent::kWrite, file.path)) {
    errno = injected;
    note_failure(file);
  }
  const auto* from = static_cast<const char*>(buffer);
  while (size > 0 && !file.failed) {
    const ssize_t count = ::pwrite(file.fd, from, size, static_cast<off_t>(address));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      note_failure(file);
      break;
    }
    from += count;
    address += static_cast<haddr_t>(count);
    size -= static_cast<std::size_t>(count);
  }
  beat();
  file.end_of_file = std::max(file.end_of_file, address + size);
  return 0;
}

herr_t truncate(H5FD_t* base, hid_t, hbool_t) {
  DriverFile& file = file_of(base);
  if (file.end_of_file == file.end_of_allocation) return 0;
  if (!file.failed && ::ftruncate(file.fd, static_cast<off_t>(file.end_of_allocation)) != 0)
    note_failure(file);
  file.end_of_file = file.end_of_allocation;
  return 0;
}

H5FD_class_t make_driver() {
  H5FD_class_t driver{};
#if H5_VERSION_GE(1, 13, 0)
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(512);  // the first of those for anyone's use
#endif
  driver.name = "terramill";
  driver.maxaddr = static_cast<haddr_t>(1) << 62;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.open = open;
  driver.close = close;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = end_of_allocation;
  driver.set_eoa = set_end_of_allocation;
  driver.get_eof = end_of_file;
  driver.read = read;
  driver.write = write;
  driver.truncate = truncate;
  constexpr H5FD_mem_t kMap[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(kMap), std::end(kMap), std::begin(driver.fl_map));
  return driver;
}

}  // namespace

void set_writing_driver(hid_t access_list) {
  static const H5FD_class_t driver = make_driver();
  static const hid_t id = H5FDregister(&driver);
  check(id, "register a file driver", "HDF5");
  check(H5Pset_driver(access_list, id, nullptr), "set a file driver", "HDF5");
}

std::optional<WriteFailure> take_write_failure() { return std::exchange(pending_failure, std::nullopt); }

}  // namespace terramill::h5
