#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/eval/protocol.hpp>

#include <ostream>

namespace terramill::cli {
namespace {

int evaluate(const Context& context, const std::vector<std::string>& arguments, eval::Classifier classifier,
             const std::string& name, const std::string& summary) {
  eval::EvaluationOptions options;
  std::string output;
  OptionTable table("terramill " + name + " --checkpoint RUN --corpus CORPUS [--output FILE.json]", summary);
  eval::add_options(table, options, classifier);
  table.add("output", &output, "file for the result as JSON; empty: none", "path");
  if (!context.faults.read(table, arguments, context.out, name, fault::Watch::kOn))
    return static_cast<int>(ExitCode::kDone);
  mpi::require_agreement(context.world, table.values(), name);

  const Json result = eval::evaluate(context.world, options, classifier);
  mpi::all_or_none(context.world, [&] {
    if (context.world.rank() != 0 || output.empty()) return;
    write_file_durably(output, dump_json(result, 1) + "\n");
    log::info("written: {}", output);
  });
  if (table.json()) {
    context.out << dump_json(result) << '\n';
  } else {
    eval::print_table(context.out, result);
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace

int eval_knn(const Context& context, const std::vector<std::string>& arguments) {
  return evaluate(
      context, arguments, eval::Classifier::kKnn, "eval knn",
      "Classifies the test tiles of a labelled corpus by their nearest training tiles in a frozen "
      "encoder's features.");
}

int eval_linear(const Context& context, const std::vector<std::string>& arguments) {
  return evaluate(context, arguments, eval::Classifier::kLinear, "eval linear",
                  "Trains a linear probe on a frozen encoder's features of a labelled corpus and tests it.");
}

}  // namespace terramill::cli
