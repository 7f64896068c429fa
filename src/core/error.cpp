#include <terramill/core/error.hpp>

#include <array>
#include <cstring>
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

}  // namespace

Error::Error(std::string message, ErrorContext context, std::source_location where)
    : message_(std::move(message)), context_(std::move(context)), text_(compose(message_, context_, where)) {}

IoError::IoError(std::string message, int error_number, ErrorContext context, std::source_location where)
    : Error(with_reason(std::move(message), error_number), std::move(context), where),
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
