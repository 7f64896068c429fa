#include <terramill/core/error.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <unistd.h>

namespace terramill {
namespace {

struct Identity {
  int rank = 0;
  int size = 1;
};

Identity& identity() noexcept {
  static Identity value;
  return value;
}

std::string compose(const std::string& message, const ErrorContext& context,
                    const std::source_location& where) {
  std::string details;
  const auto append = [&details](const char* label, const std::string& value) {
    if (value.empty()) return;
    if (!details.empty()) details += "; ";
    details += label;
    details += value;
  };
  append("while: ", context.attempted);
  if (message.find(context.subject) == std::string::npos) append("about: ", context.subject);
  append("advice: ", context.advice);

  std::string_view file = where.file_name();
  if (const auto slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);

  std::string text = message;
  if (!details.empty()) text += " (" + details + ")";
  text += " [host " + process_host() + ", rank " + std::to_string(process_rank()) + " of " +
          std::to_string(process_count()) + ", " + std::string(file) + ":" + std::to_string(where.line()) +
          "]";
  return text;
}

std::string with_reason(std::string message, int error_number) {
  if (error_number != 0) message += std::string(": ") + std::strerror(error_number);
  return message;
}

/// What the user may do about an errno of an operation on a file.
std::string advice_for(int error_number, const std::filesystem::path& path) {
  const auto directory = path.has_parent_path() ? path.parent_path().string() : std::string(".");
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "free space on the file system of " + directory + ", or write elsewhere";
    case EACCES:
    case EPERM:
      return "check the permissions of " + path.string() + " and of the directories above it";
    case EROFS:
      return "the file system of " + directory + " is mounted read-only: write elsewhere";
    case ENOENT:
    case ENOTDIR:
      return "check the path";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EIO:
      return "the storage below " + directory + " reports an error: see the system log";
    case ESTALE:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTDOWN:
      return "the file system of " + directory + " does not answer on this host: look at its mount";
    default:
      return "";
  }
}

ErrorContext with_advice(ErrorContext context, int error_number) {
  if (context.advice.empty() && !context.subject.empty())
    context.advice = advice_for(error_number, context.subject);
  return context;
}

}  // namespace

Error::Error(std::string message, ErrorContext context, std::source_location where)
    : message_(std::move(message)), context_(std::move(context)), text_(compose(message_, context_, where)) {}

IoError::IoError(std::string message, int error_number, ErrorContext context, std::source_location where)
    : Error(with_reason(std::move(message), error_number), with_advice(std::move(context), error_number),
            where),
      error_number_(error_number) {}

void set_process_identity(int rank, int size) { identity() = {rank, size}; }

int process_rank() noexcept { return identity().rank; }

int process_count() noexcept { return identity().size; }

const std::string& process_host() {
  static const std::string host = [] {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return std::string("unknown");
    return std::string(name.data());
  }();
  return host;
}

}  // namespace terramill
