#pragma once

#include <exception>
#include <source_location>
#include <string>
#include <string_view>

namespace terramill {

/// Exit codes of the `terramill` program (docs/operations.md).
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,       ///< bad usage, configuration or input that the user must mend
  kQuarantine = 3,  ///< more tiles quarantined than --max-quarantine allows
  kStopped = 85,    ///< stopped on request, with a checkpoint
  kHung = 86,       ///< a rank got no further within fault.limit
  kUnstable = 87,   ///< training had to skip more than fault.max_skips batches
  kCorrupt = 88,    ///< a rank's memory or arithmetic corrupted the state, and again in the replay
};

/// What an error is about; every field may be empty.
struct ErrorContext {
  std::string attempted;  ///< what was being done, e.g. "write shard 12"
  std::string subject;    ///< the file, tile, option or tensor concerned
  std::string advice;     ///< what the user can do about it
};

/// Base of every exception that Terramill throws.
///
/// `what()` is one paragraph: the message, then what was attempted, the subject, the advice, and host, rank,
/// file and line of the throw.
class Error : public std::exception {
 public:
  explicit Error(std::string message, ErrorContext context = {},
                 std::source_location where = std::source_location::current());

  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& message() const noexcept { return message_; }
  const ErrorContext& context() const noexcept { return context_; }

  /// The exit code with which `main` ends when this error reaches it.
  virtual ExitCode exit_code() const noexcept { return ExitCode::kFailed; }

 private:
  std::string message_;
  ErrorContext context_;
  std::string text_;
};

/// The command line, a configuration file or an option's value is wrong. Exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
  ExitCode exit_code() const noexcept override { return ExitCode::kUsage; }
};

/// The operating system refused an operation on a file: missing, unreadable, unwritable, disk full.
class IoError : public Error {
 public:
  /// `error_number` is `errno` after the failed call; 0 where there is none. Where the advice is empty and
  /// the subject is not, it becomes the number's, for the path that the subject is.
  IoError(std::string message, int error_number, ErrorContext context = {},
          std::source_location where = std::source_location::current());
  int error_number() const noexcept { return error_number_; }

 private:
  int error_number_;
};

/// A file's content is not what its format demands: truncated, wrong shape, wrong version.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// Stored bytes no longer agree with their recorded hash.
class IntegrityError : public Error {
 public:
  using Error::Error;
};

/// A call of a library (MPI, HDF5, GDAL, LibTorch) failed.
class LibraryError : public Error {
 public:
  using Error::Error;
};

/// Ranks of one job disagree on what must be equal everywhere, e.g. the configuration.
class AgreementError : public Error {
 public:
  using Error::Error;
  ExitCode exit_code() const noexcept override { return ExitCode::kUsage; }
};

/// Names this process in errors and logs. Called once, after MPI is up; before it, rank 0 of 1 is assumed.
void set_process_identity(int rank, int size);
int process_rank() noexcept;
int process_count() noexcept;
const std::string& process_host();

}  // namespace terramill
