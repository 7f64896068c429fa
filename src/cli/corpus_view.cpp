#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/view.hpp>

#include <ostream>

namespace terramill::cli {

int corpus_view(const Context& context, const std::vector<std::string>& arguments) {
  std::string corpus, kind, output;
  OptionTable table(
      "terramill corpus view CORPUS --as KIND --output P",
      "Makes a folder of links and side files through which the official reader or torchgeo's MMEarth "
      "reads a corpus; no value is copied.");
  table.positional("corpus", &corpus, "the corpus's folder");
  table.add("as", &kind, "whose file names: mmearth for the official reader, the others for torchgeo", "",
            corpus::view_kinds());
  table.add("output", &output, "folder of the view; new or empty");
  table.require("as");
  table.require("output");
  if (!context.faults.read(table, arguments, context.out, "corpus view"))
    return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() == 0) {
    corpus::make_view(corpus, kind, output);
    if (table.json()) {
      context.out << dump_json({{"view", output}, {"as", kind}}) << '\n';
    } else {
      context.out << output << " is a view of " << corpus << " for " << kind << '\n';
    }
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
