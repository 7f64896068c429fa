#include <terramill/core/json.hpp>
#include <terramill/train/metrics.hpp>

namespace terramill::train {

namespace {

FileDescriptor open_lines(const std::filesystem::path& path, std::int64_t first_step) {
  std::filesystem::create_directories(path.parent_path());
  std::string kept;
  if (std::filesystem::exists(path)) {
    const std::string text = read_text(path);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      if (end == std::string::npos) break;  // torn by a kill
      const std::string line = text.substr(begin, end - begin);
      begin = end + 1;
      if (json_get<std::int64_t>(parse_json(line, path.string()), "step", path.string()) < first_step) {
        kept += line + '\n';
      }
    }
  }
  write_file_durably(path, kept);
  return FileDescriptor::append(path);
}

}  // namespace

MetricsWriter::MetricsWriter(const std::filesystem::path& run, std::int64_t first_step)
    : file_(open_lines(run / "metrics.jsonl", first_step)), events_(run / "events", first_step) {}

void MetricsWriter::write(const std::string& kind, std::int64_t step, const Scalars& values) {
  Json line{{"kind", kind}, {"step", step}};
  Scalars tagged;
  for (const auto& [name, value] : values) {
    line[name] = value;
    tagged.emplace_back(kind + "/" + name, value);
  }
  const std::string text = dump_json(line) + '\n';
  file_.write(std::as_bytes(std::span(text)));
  events_.scalars(step, tagged);
}

void MetricsWriter::note(const std::string& kind, std::int64_t step, const Json& fields) {
  Json line{{"kind", kind}, {"step", step}};
  line.update(fields);
  const std::string text = dump_json(line) + '\n';
  file_.write(std::as_bytes(std::span(text)));
}

}  // namespace terramill::train
