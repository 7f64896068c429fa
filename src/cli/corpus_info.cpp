#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/info.hpp>

#include <ostream>

namespace terramill::cli {

int corpus_info(const Context& context, const std::vector<std::string>& arguments) {
  std::string corpus;
  OptionTable table("terramill corpus info CORPUS [--json]",
                    "Tells what a corpus holds: schema, sizes, splits, land cover, modalities, quarantine.");
  table.positional("corpus", &corpus, "the corpus's folder");
  if (!context.faults.read(table, arguments, context.out, "corpus info"))
    return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() == 0) {
    const Json description = corpus::describe_corpus(corpus);
    context.out << (table.json() ? dump_json(description) + "\n" : corpus::to_text(description));
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
