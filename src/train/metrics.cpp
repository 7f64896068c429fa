#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/train/metrics.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace terramill::train {

namespace {

std::filesystem::path file_in(const std::filesystem::path& run) { return run / "metrics.jsonl"; }

/// The whole lines for which `keeps(line)` holds. One that is no JSON is dropped with a warning.
template <typename F>
std::string lines_of(const std::string& text, const std::string& origin, F keeps) {
  std::string kept;
  std::size_t damaged = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn by a kill
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    try {
      if (keeps(parse_json(line, origin))) kept += line + '\n';
    } catch (const FormatError&) {
      ++damaged;
    }
  }
  if (damaged > 0) log::warn("{} lines of {} are damaged and were dropped", damaged, origin);
  return kept;
}

FileDescriptor open_lines(const std::filesystem::path& run, std::int64_t first_step, bool evaluates_again) {
  const std::filesystem::path path = file_in(run);
  const std::string origin = path.string();
  std::string kept;
  std::error_code fault;
  if (std::filesystem::exists(path, fault)) {
    kept = lines_of(read_text(path), origin, [&](const Json& line) {
      const auto step = json_get<std::int64_t>(line, "step", origin);
      const auto kind = line.value("kind", "");
      const bool again = evaluates_again && step == first_step - 1 && (kind == "validation" || kind == "knn");
      return step < first_step && !again;
    });
  }
  if (!fault) std::filesystem::create_directories(run, fault);
  if (fault) throw IoError("cannot look at the metrics", fault.value(), {"open the metrics", origin, ""});
  write_file_durably(path, kept);
  return FileDescriptor::append(path);
}

}  // namespace

MetricsWriter::MetricsWriter(const std::filesystem::path& run, std::int64_t first_step, bool evaluates_again)
    : run_(run),
      file_(open_lines(run, first_step, evaluates_again)),
      written_(file_.size()),
      events_from_(first_step) {}

void MetricsWriter::go_back_to(std::int64_t first_step) {
  const std::string origin = "lines that wait to be written";
  waiting_ = lines_of(waiting_, origin, [&](const Json& line) {
    return json_get<std::int64_t>(line, "step", origin) < first_step;
  });
  gone_back_to_ = std::min(first_step, gone_back_to_.value_or(first_step));
  events_from_ = events_ ? first_step : std::min(first_step, events_from_);
  events_.reset();
  flush();
}

void MetricsWriter::append(const std::string& line) {
  waiting_ += line;
  flush();
}

void MetricsWriter::flush() {
  try {
    if (gone_back_to_) {
      file_ = open_lines(run_, *gone_back_to_, false);
      written_ = file_.size();
      gone_back_to_.reset();
    }
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
  write_events(step, tagged);
}

void MetricsWriter::write_events(std::int64_t step, const Scalars& tagged) {
  try {
    if (!events_) events_.emplace(run_ / "events", events_from_);
    events_->scalars(step, tagged);
    warned_of_events_ = false;
  } catch (const std::exception& fault) {  // also of std::filesystem
    if (!std::exchange(warned_of_events_, true)) log::warn("no TensorBoard events for now: {}", fault.what());
  }
}

void MetricsWriter::note(const std::string& kind, std::int64_t step, const Json& fields) {
  Json line{{"kind", kind}, {"step", step}};
  line.update(fields);
  append(dump_json(line) + '\n');
}

}  // namespace terramill::train
