#include "checkpoint_text.hpp"
#include "commands.hpp"

#include <terramill/checkpoint/reader.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <ostream>
#include <set>

namespace terramill::cli {

namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

}  // namespace

int checkpoint_show(const Context& context, const std::vector<std::string>& arguments) {
  std::string run;
  std::int64_t step = -1;
  OptionTable table("terramill checkpoint show RUN [--step N]",
                    "Tells what a checkpoint holds: where the run stands, its options, and every tensor.");
  table.positional("run", &run, "run folder of pretrain");
  table.add("step", &step, "of which checkpoint; negative: of the newest");
  if (!context.faults.read(table, arguments, context.out, "checkpoint show"))
    return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);
  const std::filesystem::path path = checkpoint_of(run, step);
  const checkpoint::Reader reader(path);
  Json tensors = Json::array();
  for (const checkpoint::TensorEntry& entry : reader.tensors()) {
    std::set<std::string> files;
    for (const checkpoint::Slice& slice : entry.slices) files.insert(slice.file);
    tensors.push_back({{"name", entry.name},
                       {"dtype", checkpoint::name_of(checkpoint::dtype_of(entry.dtype))},
                       {"shape", entry.shape},
                       {"files", files}});
  }
  if (table.json()) {
    context.out << dump_json({{"checkpoint", path.string()},
                              {"step", reader.step()},
                              {"written", written_at(path)},
                              {"bytes", bytes_of(path)},
                              {"meta", reader.meta()},
                              {"tensors", tensors}})
                << '\n';
    return static_cast<int>(ExitCode::kDone);
  }
  context.out << path.string() << ": step " << reader.step() << ", " << size_text(bytes_of(path)) << ", "
              << written_at(path) << '\n';
  for (const auto& [key, value] : reader.meta().items()) {
    if (!value.is_object()) {
      context.out << key << " = " << dump_json(value) << '\n';
      continue;
    }
    for (const auto& [name, text] : value.items())
      context.out << key << ": " << name << " = "
                  << (text.is_string() ? text.get<std::string>() : dump_json(text)) << '\n';
  }
  for (std::size_t t = 0; t < reader.tensors().size(); ++t) {
    const checkpoint::TensorEntry& entry = reader.tensors()[t];
    context.out << entry.name << "  " << tensors[t]["dtype"].get<std::string>() << "  "
                << shape_text(entry.shape) << "  in " << tensors[t]["files"].size() << " file(s)\n";
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
