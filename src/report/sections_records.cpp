#include "sections.hpp"

#include <terramill/core/file.hpp>

#include <algorithm>

namespace terramill::report {

namespace {

constexpr std::uintmax_t kLargestInside = 2U << 20U;  // bytes of a file that the page still holds

std::string size_text(std::uintmax_t bytes) {
  const auto size = static_cast<double>(bytes);
  return bytes < 1000      ? format("%.0f bytes", size)
         : bytes < 1000000 ? format("%.3g kB", size / 1e3)
                           : format("%.3g MB", size / 1e6);
}

/// A file's origin "FOLDER/x.ini:12" without its folder.
std::string short_origin(const std::string& origin) {
  const std::size_t slash = origin.rfind('/');
  return slash == std::string::npos ? origin : origin.substr(slash + 1);
}

/// Escaped, and free to break behind each hyphen and before a line's number.
std::string breakable(const std::string& text) {
  std::string html;
  for (const char c : text) {
    if (c == ':') html += "<wbr>";
    html += escape_markup(std::string(1, c));
    if (c == '-' || c == '_') html += "<wbr>";
  }
  return html;
}

std::string settings_table(const std::string& section, const std::vector<ConfigLine>& lines) {
  std::string html = "<caption>" +
                     (section.empty() ? std::string("general") : "[" + escape_markup(section) + "]") +
                     "</caption><tbody>";
  for (const ConfigLine& line : lines) {
    if (line.section != section) continue;
    html += line.is_default() ? "<tr class=\"default\">" : "<tr class=\"set\">";
    html += "<th scope=\"row\"><code>" + escape_markup(line.key) + "</code></th><td><code>" +
            (line.value.empty() ? "–" : escape_markup(line.value)) + "</code></td><td title=\"" +
            escape_markup(line.origin) + "\">" + breakable(short_origin(line.origin)) + "</td></tr>";
  }
  return table(section.empty() ? "general options" : "options of " + section, html + "</tbody>");
}

}  // namespace

void add_configuration(Page& page, const RunRecord& run) {
  page.section("configuration", "Configuration");
  if (run.configuration.empty()) return;
  const auto set = std::count_if(run.configuration.begin(), run.configuration.end(),
                                 [](const ConfigLine& line) { return !line.is_default(); });
  page.add("<p>Every option with its value and where the value comes from. The " + std::to_string(set) +
           " of " + std::to_string(run.configuration.size()) +
           " that were set are marked; the others are defaults.</p>\n");
  std::vector<std::string> sections;
  for (const ConfigLine& line : run.configuration) {
    if (std::find(sections.begin(), sections.end(), line.section) == sections.end())
      sections.push_back(line.section);
  }
  page.add("<div class=\"settings\">");
  for (const std::string& section : sections) page.add(settings_table(section, run.configuration));
  page.add("</div>\n");
}

void add_files(Page& page, const RunRecord& run, const std::filesystem::path& output) {
  page.section("files", "Files");
  struct File {
    const char *name, *type, *what;
  };
  std::string rows;
  for (const File& file :
       {File{"metrics.jsonl", "application/x-ndjson", "every number of every step, a JSON object a line"},
        File{"run.json", "application/json", "model, corpus and layout"},
        File{"config.ini", "text/plain", "every option; starts the same run again"},
        File{"sampling.json", "application/json", "positions and classes of the sampled tiles"}}) {
    const std::filesystem::path path = run.folder / file.name;
    if (!std::filesystem::exists(path)) continue;
    const std::uintmax_t size = std::filesystem::file_size(path);
    const bool inside = size <= kLargestInside;
    const std::string target =
        inside ? data_uri(file.type, path) : std::filesystem::relative(path, output).generic_string();
    rows += "<tr><th scope=\"row\"><a download=\"" + std::string(file.name) + "\" href=\"" +
            escape_markup(target) + "\">" + file.name + "</a></th><td>" + file.what +
            (inside ? "" : "; not inside this page, but beside it") + "</td><td class=\"n\">" +
            size_text(size) + "</td></tr>";
  }
  page.add(table("Files", "<tbody>" + rows + "</tbody>"));
}

}  // namespace terramill::report
