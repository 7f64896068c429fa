#include "layout.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>

#include <functional>
#include <set>

#include <ATen/core/grad_mode.h>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

/// The model's tensors of a source, by official name.
struct Source {
  std::set<std::string> names;
  std::function<at::Tensor(const std::string&)> read;
};

Source open(const fs::path& path) {
  if (!fs::exists(path)) throw IoError("it is missing", ENOENT, {"take weights from", path.string(), ""});
  if (!fs::is_directory(path)) {
    const auto file = std::make_shared<SafetensorsReader>(path);
    Source source{{}, [file](const std::string& name) { return read_tensor(*file, name); }};
    for (const TensorInfo& info : file->tensors()) source.names.insert(info.name);
    return source;
  }
  const auto reader = std::make_shared<Reader>(find_weights(mpi::Communicator::self(), path));
  const std::string prefix = kModelPrefix;
  Source source{{}, [reader, prefix](const std::string& name) { return reader->read(prefix + name); }};
  for (const TensorEntry& entry : reader->tensors()) {
    if (entry.name.starts_with(prefix)) source.names.insert(entry.name.substr(prefix.size()));
  }
  return source;
}

}  // namespace

InitReport init_from(const fs::path& source_path, const std::vector<NamedTensor>& parameters,
                     const parallel::Placements& placements) {
  const at::NoGradGuard no_grad;
  Source source = open(source_path);
  InitReport report;
  for (const auto& [name, target] : parameters) {
    if (source.names.erase(name) == 0) {
      report.missing.push_back(name);
      continue;
    }
    at::Tensor values = source.read(name);
    const parallel::Placement* placement = parallel::find(placements, name);
    const bool split = placement != nullptr && placement->split();
    if (values.sizes() != (split ? at::IntArrayRef(placement->shape) : target.sizes())) {
      throw FormatError(name + " has another shape in the source",
                        {"take weights from", source_path.string(), ""});
    }
    if (split) values = placement->part_of(values);
    const at::Tensor into = target;
    into.copy_(values);
    report.loaded.push_back(name);
  }
  report.unexpected.assign(source.names.begin(), source.names.end());
  if (report.loaded.empty()) {
    throw UsageError("no tensor of the source has a name of the model",
                     {"take weights from", source_path.string(), ""});
  }
  return report;
}

std::vector<std::string> weight_names(const fs::path& source) {
  const std::set<std::string> names = open(source).names;
  return {names.begin(), names.end()};
}

}  // namespace terramill::checkpoint
