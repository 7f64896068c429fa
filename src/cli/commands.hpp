#pragma once

#include <terramill/fault/process.hpp>
#include <terramill/mpi/communicator.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace terramill::cli {

/// What a subcommand runs in.
struct Context {
  const mpi::Communicator& world;  ///< every rank of the job
  std::ostream& out;               ///< standard output on rank 0, nothing elsewhere
  fault::Process& faults;  ///< reads the options of most subcommands, and arms what they say about faults
};

/// A subcommand: `arguments` follow its name. Returns the exit code; throws Error.
using Command = int (*)(const Context& context, const std::vector<std::string>& arguments);

struct CommandEntry {
  const char* name;     ///< as typed: "corpus build"
  const char* summary;  ///< one line of `terramill --help`
  Command run;
};

/// Every subcommand, in the order of `terramill --help` (src/cli/table.cpp).
const std::vector<CommandEntry>& commands();

int corpus_build(const Context& context, const std::vector<std::string>& arguments);
int corpus_verify(const Context& context, const std::vector<std::string>& arguments);
int corpus_info(const Context& context, const std::vector<std::string>& arguments);
int corpus_merge(const Context& context, const std::vector<std::string>& arguments);
int corpus_subset(const Context& context, const std::vector<std::string>& arguments);
int corpus_view(const Context& context, const std::vector<std::string>& arguments);
int corpus_synth(const Context& context, const std::vector<std::string>& arguments);
int tile_show(const Context& context, const std::vector<std::string>& arguments);
int sample(const Context& context, const std::vector<std::string>& arguments);
int pretrain(const Context& context, const std::vector<std::string>& arguments);
int status(const Context& context, const std::vector<std::string>& arguments);
int checkpoint_list(const Context& context, const std::vector<std::string>& arguments);
int checkpoint_verify(const Context& context, const std::vector<std::string>& arguments);
int checkpoint_show(const Context& context, const std::vector<std::string>& arguments);
int checkpoint_prune(const Context& context, const std::vector<std::string>& arguments);
int embed(const Context& context, const std::vector<std::string>& arguments);
int show(const Context& context, const std::vector<std::string>& arguments);
int report(const Context& context, const std::vector<std::string>& arguments);
int simulate(const Context& context, const std::vector<std::string>& arguments);
int eval_knn(const Context& context, const std::vector<std::string>& arguments);
int eval_linear(const Context& context, const std::vector<std::string>& arguments);
int doctor(const Context& context, const std::vector<std::string>& arguments);

}  // namespace terramill::cli
