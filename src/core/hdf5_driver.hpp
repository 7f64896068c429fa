#pragma once

// The HDF5 file driver for files being written; internal to the core room.

#include <optional>
#include <string>

#include <hdf5.h>

namespace terramill::h5 {

/// A file that could not be written, and errno.
struct WriteFailure {
  std::string path;
  int error_number;
};

/// Sets the driver of a file access list.
///
/// HDF5 cannot close a file whose last writes fail: it keeps it half closed and crashes when the library
/// ends. This driver is POSIX reading and writing, but never fails a write: it keeps the first failure for
/// `take_write_failure` and drops what follows, so that the file always closes. `check` asks after every call
/// and throws.
void set_writing_driver(hid_t access_list);

/// The failure, if any, of a write in an HDF5 call of this thread since last asked.
std::optional<WriteFailure> take_write_failure();

}  // namespace terramill::h5
