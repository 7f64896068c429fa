#pragma once

#include <terramill/core/error.hpp>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include <hdf5.h>

namespace terramill::h5 {

/// The one mutex around every call of the HDF5 library, which has no lock of its own. Recursive, so that a
/// function that holds it may call another. Handle destructors take it themselves.
std::recursive_mutex& mutex();
/// Holds it. Who has to wait for it has an Activity (core/activity.hpp).
class Lock {
 public:
  explicit Lock(std::recursive_mutex& mutex);
  ~Lock() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  std::recursive_mutex& mutex_;
};

/// Throws LibraryError with HDF5's own error stack when `status` is negative; returns it otherwise.
/// `attempted` and `subject` as in ErrorContext.
std::int64_t check(std::int64_t status, const std::string& attempted, const std::string& subject,
                   std::source_location where = std::source_location::current());

/// Owns any HDF5 identifier (file, group, dataset, dataspace, type, property list).
class Handle {
 public:
  Handle() = default;
  /// Checks and takes an identifier just returned by HDF5.
  Handle(hid_t id, const std::string& attempted, const std::string& subject,
         std::source_location where = std::source_location::current());
  ~Handle();
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  hid_t get() const noexcept { return id_; }
  /// For calls of the library.
  operator hid_t() const noexcept { return id_; }
  /// Closes now, so that a late write error is not lost.
  void reset();

 private:
  hid_t id_ = -1;
};

/// Creates a file, truncating, with what makes equal content equal bytes: no object times on the root group,
/// oldest format bounds fixed. Objects need `dataset_properties()`.
Handle create_file(const std::filesystem::path& path);
/// Opens for reading. IoError when it is missing or unreadable, FormatError when it is no whole HDF5 file.
Handle open_file(const std::filesystem::path& path);
/// A dataset-creation list with object times off and no allocation surprises.
Handle dataset_properties();

/// The HDF5 type in memory of std::uint8_t to std::int64_t, float or double; files hold the little-endian
/// counterpart.
template <typename T>
hid_t native_type();

/// Writes a contiguous dataset of shape `shape` at once, in C order. LibraryError when `values` does not fill
/// the shape.
template <typename T>
void write_dataset(hid_t file, const std::string& name, std::span<const hsize_t> shape,
                   std::span<const T> values);
/// Reads rows [begin, begin + count) of a dataset along its first axis, in C order. FormatError when the
/// dataset is missing, has fewer rows, or holds what a `T` cannot (floats for integers, wider integers).
template <typename T>
std::vector<T> read_rows(hid_t file, const std::string& name, hsize_t begin, hsize_t count);
/// Reads a whole dataset of any rank; errors as `read_rows`.
template <typename T>
std::vector<T> read_dataset(hid_t file, const std::string& name);
/// The dataset's shape; FormatError when it is missing.
std::vector<hsize_t> shape_of(hid_t file, const std::string& name);
/// Whether the file has a link of that name.
bool has(hid_t file, const std::string& name);

/// Fixed-length text columns: each value NUL-padded to `width` bytes of UTF-8. FormatError for a longer
/// value, or when what is read is no such column or has fewer rows.
void write_strings(hid_t file, const std::string& name, std::size_t width,
                   std::span<const std::string> values);
std::vector<std::string> read_strings(hid_t file, const std::string& name, hsize_t begin, hsize_t count);

/// Scalar attributes of the root or a dataset; writing replaces. FormatError when the attribute is missing or
/// of another kind.
void write_attribute(hid_t object, const std::string& name, const std::string& value);
void write_attribute(hid_t object, const std::string& name, std::int64_t value);
std::string read_text_attribute(hid_t object, const std::string& name);
std::int64_t read_integer_attribute(hid_t object, const std::string& name);

}  // namespace terramill::h5
