#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <cstdio>
#include <span>

namespace terramill::trace {
namespace {

std::string quoted(const std::string& text) { return dump_json(Json(text)); }

std::string microseconds(std::int64_t nanoseconds) {
  char text[48];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(nanoseconds) / 1000);
  return text;
}

std::string metadata(const std::string& name, int rank, int thread, const std::string& key,
                     const std::string& value) {
  return R"({"name": )" + quoted(name) + R"(, "ph": "M", "pid": )" + std::to_string(rank) + R"(, "tid": )" +
         std::to_string(thread) + R"(, "args": {)" + quoted(key) + ": " + value + "}}";
}

std::string arguments(const Event& event) {
  std::string text;
  for (const Argument& argument : event.arguments) {
    if (argument.key == nullptr) continue;
    text += (text.empty() ? "" : ", ") + quoted(argument.key) + ": ";
    text += argument.text == nullptr ? std::to_string(argument.value) : quoted(argument.text);
  }
  return text;
}

std::string line_of(const Event& event, const Source& source, int thread) {
  std::string line = R"({"name": )" + quoted(event.name) + R"(, "pid": )" + std::to_string(source.rank) +
                     R"(, "tid": )" + std::to_string(thread) + R"(, "ts": )" +
                     microseconds(event.begin + source.offset - source.origin);
  switch (event.kind) {
    case Event::Kind::kSpan:
      line += R"(, "ph": "X", "dur": )" + microseconds(event.duration);
      break;
    case Event::Kind::kInstant:
      line += R"(, "ph": "i", "s": "t")";
      break;
    case Event::Kind::kCounter:
      line += R"(, "ph": "C")";
      break;
  }
  if (*event.category != '\0') line += R"(, "cat": )" + quoted(event.category);
  return line + R"(, "args": {)" + arguments(event) + "}}";
}

/// The lines between the brackets of a file of `write`.
std::string body_of(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  if (!text.starts_with("[\n") || !text.ends_with("\n]\n") || text.size() < 5) {
    throw FormatError("this is no trace of a rank", {"merge traces", file.string(), ""});
  }
  return text.substr(2, text.size() - 5);
}

}  // namespace

void write(const std::filesystem::path& file, const Recording& recording, const Source& source) {
  std::string text = "[\n";
  text += metadata("process_name", source.rank, 0, "name",
                   quoted("rank " + std::to_string(source.rank) + " on " + source.host));
  text += ",\n" + metadata("process_sort_index", source.rank, 0, "sort_index", std::to_string(source.rank));
  text += ",\n" + metadata("clock_offset_us", source.rank, 0, "value", microseconds(source.offset));
  text += ",\n" + metadata("clock_round_trip_us", source.rank, 0, "value", microseconds(source.round_trip));
  text += ",\n" + metadata("dropped_events", source.rank, 0, "value", std::to_string(recording.dropped));
  for (const ThreadEvents& thread : recording.threads) {
    text += ",\n" + metadata("thread_name", source.rank, thread.id, "name", quoted(thread.name));
    text += ",\n" +
            metadata("thread_sort_index", source.rank, thread.id, "sort_index", std::to_string(thread.id));
    for (const Event& event : thread.events) text += ",\n" + line_of(event, source, thread.id);
  }
  write_file_durably(file, text + "\n]\n");
}

void merge(const std::vector<std::filesystem::path>& files, const std::filesystem::path& merged) {
  const std::filesystem::path temporary = temporary_name(merged);
  FileDescriptor out = FileDescriptor::create(temporary);
  const auto put = [&](const std::string& text) { out.write(std::as_bytes(std::span(text))); };
  for (std::size_t i = 0; i < files.size(); ++i) put((i == 0 ? "[\n" : ",\n") + body_of(files[i]));
  put(files.empty() ? "[\n]\n" : "\n]\n");
  out.close();
  publish(temporary, merged);
}

}  // namespace terramill::trace
