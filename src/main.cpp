#include "cli/commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/fault/process.hpp>
#include <terramill/mpi/communicator.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>

namespace {

using terramill::cli::CommandEntry;

/// A stream that swallows everything: standard output of every rank but the first.
struct NullBuffer : std::streambuf {
  int overflow(int c) override { return traits_type::not_eof(c); }
  std::streamsize xsputn(const char*, std::streamsize n) override { return n; }
};

void print_help(std::ostream& out) {
  out << "terramill " << TERRAMILL_VERSION
      << ": from a global Earth-observation corpus to pretrained foundation models\n\n"
         "usage: terramill SUBCOMMAND [OPTIONS]     one process, or under srun or mpirun\n\n";
  std::size_t width = 0;
  for (const CommandEntry& command : terramill::cli::commands()) {
    width = std::max(width, std::string(command.name).size());
  }
  for (const CommandEntry& command : terramill::cli::commands()) {
    std::string name = command.name;
    name.resize(width, ' ');
    out << "  " << name << "  " << command.summary << '\n';
  }
  out << "\n`terramill SUBCOMMAND --help` lists the options of one.\n";
}

/// The subcommand that `words` begin with, and how many words its name takes.
std::pair<const CommandEntry*, std::size_t> find_command(const std::vector<std::string>& words) {
  for (std::size_t count = std::min<std::size_t>(2, words.size()); count >= 1; --count) {
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    for (const CommandEntry& command : terramill::cli::commands()) {
      if (name == command.name) return {&command, count};
    }
  }
  std::vector<std::string> names;
  std::string family;  // those that begin with the first word
  for (const CommandEntry& command : terramill::cli::commands()) {
    names.emplace_back(command.name);
    if (names.back().starts_with(words[0] + " ")) family += (family.empty() ? "" : ", ") + names.back();
  }
  const bool has_second = words.size() > 1 && !words[1].starts_with('-');
  if (!has_second && !family.empty()) {
    throw terramill::UsageError("\"" + words[0] + "\" is the first word of several subcommands",
                                {"read the command line", words[0], "there are: " + family});
  }
  const std::string typed = has_second ? words[0] + " " + words[1] : words[0];
  auto hint = terramill::nearest(typed, names);
  if (!hint) hint = terramill::nearest(words[0], names);
  throw terramill::UsageError(
      "there is no subcommand \"" + words[0] + "\"",
      {"read the command line", words[0], hint ? "did you mean \"" + *hint + "\"?" : "see terramill --help"});
}

int dispatch(const terramill::mpi::Communicator& world, terramill::fault::Process& faults,
             const std::vector<std::string>& words) {
  NullBuffer nothing;
  std::ostream null(&nothing);
  std::ostream& out = world.rank() == 0 ? std::cout : null;
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_help(out);
    return static_cast<int>(words.empty() ? terramill::ExitCode::kUsage : terramill::ExitCode::kDone);
  }
  if (words[0] == "--version") {
    out << "terramill " << TERRAMILL_VERSION << '\n';
    return 0;
  }
  const auto [command, count] = find_command(words);
  const int code =
      command->run({world, out, faults}, {words.begin() + static_cast<std::ptrdiff_t>(count), words.end()});
  out.flush();
  return code;
}

/// Whether every rank of the job has failed, each by itself: then all can end in order, and one copy of the
/// message is enough. Ranks that go on working make this false after five seconds.
bool all_ranks_failed(const terramill::mpi::Communicator& failures) {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(failures.native(), &request) != MPI_SUCCESS) return false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  int done = 0;
  while (!done && std::chrono::steady_clock::now() < deadline) {
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
    std::this_thread::yield();
  }
  return done != 0;
}

/// Reports what ended this rank and returns the exit code, or ends the job: other ranks may wait for this one
/// for ever.
int fail(const terramill::mpi::Communicator& failures, const std::string& text,
         terramill::ExitCode exit_code) {
  const int code = static_cast<int>(exit_code);
  if (failures.rank() == 0) std::cerr << "terramill: " << text << std::endl;
  if (all_ranks_failed(failures)) return code;
  if (failures.rank() != 0) std::cerr << "terramill: " << text << std::endl;
  terramill::mpi::abort_job(code);
}

/// Shards that are kept open, and connections among many ranks, are soon more than the usual 1,024.
void raise_limit_of_open_files() {
  constexpr rlim_t kWanted = 65536;  // not all that may be had: some libraries look at each
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWanted);
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));  // else it stays as it was
}

/// Passes `code` on for the end of main. Ranks end together, but not at the same instant: `srun
/// --kill-on-bad-exit` would terminate those that leave a moment after the first, and report that in place of
/// the code.
int end_with(int code) {
  if (code != 0) std::signal(SIGTERM, SIG_IGN);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    terramill::mpi::Session session(&argc, &argv);
    raise_limit_of_open_files();
    terramill::log::init();
    const terramill::mpi::Communicator world = terramill::mpi::Communicator::world();
    const terramill::mpi::Communicator failures = world.duplicate();
    terramill::fault::Process faults(world);
    try {
      return end_with(dispatch(world, faults, {argv + 1, argv + argc}));
    } catch (const terramill::Error& error) {
      return end_with(fail(failures, error.what(), error.exit_code()));
    } catch (const std::exception& error) {
      return end_with(fail(failures, error.what(), terramill::ExitCode::kFailed));
    }
  } catch (const std::exception& error) {
    std::cerr << "terramill: " << error.what() << std::endl;
    return static_cast<int>(terramill::ExitCode::kFailed);
  }
}
