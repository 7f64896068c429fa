#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/train/metrics.hpp>

#include <unistd.h>

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
    : file_(open_lines(run / "metrics.jsonl", first_step)),
      written_(file_.size()),
      events_(run / "events", first_step) {}

void MetricsWriter::append(const std::string& line) {
  waiting_ += line;
  try {
    file_.write(std::as_bytes(std::span(waiting_)));
    written_ += waiting_.size();
    waiting_.clear();
    warned_ = false;
  } catch (const IoError& fault) {
    // What was written of them is half a line.
    if (::ftruncate(file_.get(), static_cast<off_t>(written_)) != 0 || !warned_) {
      log::warn("no metrics for now: {}", fault.what());
    }
    warned_ = true;
  }
}

void MetricsWriter::write(const std::string& kind, std::int64_t step, const Scalars& values) {
  Json line{{"kind", kind}, {"step", step}};
  Scalars tagged;
  for (const auto& [name, value] : values) {
    line[name] = value;
    tagged.emplace_back(kind + "/" + name, value);
  }
  append(dump_json(line) + '\n');
  try {
    events_.scalars(step, tagged);
  } catch (const IoError& fault) {
    if (!warned_) log::warn("no TensorBoard events for now: {}", fault.what());
  }
}

void MetricsWriter::note(const std::string& kind, std::int64_t step, const Json& fields) {
  Json line{{"kind", kind}, {"step", step}};
  line.update(fields);
  append(dump_json(line) + '\n');
}

}  // namespace terramill::train
