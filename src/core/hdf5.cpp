#include "hdf5_driver.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hdf5.hpp>

#include <cerrno>
#include <utility>

#include <unistd.h>

namespace terramill::h5 {
namespace {

/// HDF5's error stack as "what failed: why; …", innermost first; clears the stack.
std::string take_error_stack() {
  std::string text;
  const auto append = [](unsigned, const H5E_error2_t* entry, void* into) -> herr_t {
    auto& joined = *static_cast<std::string*>(into);
    if (!joined.empty()) joined += "; ";
    joined += entry->func_name == nullptr ? "?" : entry->func_name;
    joined += ": ";
    joined += entry->desc == nullptr ? "no description" : entry->desc;
    return 0;
  };
  if (H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, append, &text) < 0 || text.empty())
    text = "HDF5 gives no reason";
  static_cast<void>(H5Eclear2(H5E_DEFAULT));
  return text;
}

Handle access_properties() {
  Handle list(H5Pcreate(H5P_FILE_ACCESS), "create a property list", "HDF5");
  check(H5Pset_libver_bounds(list, H5F_LIBVER_EARLIEST, H5F_LIBVER_V110), "set format bounds", "HDF5");
#if H5_VERSION_GE(1, 10, 7)
  // Files appear under their name when complete and builds lock their directory; parallel file systems often
  // refuse flock.
  check(H5Pset_file_locking(list, false, true), "switch file locking off", "HDF5");
#endif
  return list;
}

}  // namespace

std::recursive_mutex& mutex() {
  static std::recursive_mutex instance;
  // HDF5 prints its error stack unless told otherwise; check() reports it instead.
  static const bool quiet = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  static_cast<void>(quiet);
  return instance;
}

Lock::Lock(std::recursive_mutex& mutex) : mutex_(mutex) {
  if (mutex_.try_lock()) return;
  const Activity activity("wait for HDF5's lock");
  mutex_.lock();
}

std::int64_t check(std::int64_t status, const std::string& attempted, const std::string& subject,
                   std::source_location where) {
  if (const auto failure = take_write_failure()) {
    throw IoError("cannot write " + failure->path, failure->error_number,
                  {attempted, subject, "free space there or mend its storage, or write elsewhere"}, where);
  }
  if (status >= 0) return status;
  const Lock lock(mutex());
  throw LibraryError("HDF5 cannot " + attempted + ": " + take_error_stack(), {attempted, subject, ""}, where);
}

Handle::Handle(hid_t id, const std::string& attempted, const std::string& subject, std::source_location where)
    : id_(check(id, attempted, subject, where)) {}

Handle::~Handle() {
  // A destructor cannot report: a write that fails here is thrown by the next check(), so that reset() tells.
  if (id_ < 0) return;
  const Lock lock(mutex());
  if (H5Iis_valid(id_) > 0 && H5Idec_ref(id_) < 0) static_cast<void>(H5Eclear2(H5E_DEFAULT));
}

Handle::Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(id_, other.id_);
  return *this;
}

void Handle::reset() {
  if (id_ < 0) return;
  const Lock lock(mutex());
  check(H5Idec_ref(std::exchange(id_, -1)), "close an object", "HDF5");
}

Handle create_file(const std::filesystem::path& path) {
  const Lock lock(mutex());
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), "create a property list", path.string());
  check(H5Pset_obj_track_times(creation, false), "switch object times off", path.string());
  const Handle access = access_properties();
  set_writing_driver(access);
  // HDF5 would not tell why it cannot create a file.
  FileDescriptor::create(path).close();
  // Values go to the file's end at once, so that a writer knows where a chunk lies; metadata is gathered in
  // blocks.
  check(H5Pset_small_data_block_size(access, 0), "set an allocation block", path.string());
  check(H5Pset_meta_block_size(access, 16384), "set an allocation block", path.string());
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access), "create a file", path.string()};
}

Handle open_file(const std::filesystem::path& path) {
  const Lock lock(mutex());
  const Activity activity("open", path);
  if (::access(path.c_str(), R_OK) != 0) {
    throw IoError("cannot open " + path.string(), errno,
                  {"open an HDF5 file", path.string(), "check the path"});
  }
  const Handle access = access_properties();
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access);
  if (id < 0) {
    throw FormatError(path.string() + " is no whole HDF5 file: " + take_error_stack(),
                      {"open an HDF5 file", path.string(), ""});
  }
  beat();
  return {id, "open a file", path.string()};
}

Handle dataset_properties() {
  const Lock lock(mutex());
  Handle list(H5Pcreate(H5P_DATASET_CREATE), "create a property list", "HDF5");
  check(H5Pset_obj_track_times(list, false), "switch object times off", "HDF5");
  return list;
}

}  // namespace terramill::h5
