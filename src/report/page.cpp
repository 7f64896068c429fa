#include "page.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/report/markup.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace terramill::report {

namespace {

std::string base64(const std::vector<std::byte>& bytes) {
  static constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t here = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k)
      word = word << 8U | (k < here ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= here ? kLetters[word >> (18 - 6 * k) & 63U] : '=';
  }
  return text;
}

std::string figure(const std::string& inside, const std::string& caption, const std::string& style) {
  return "<figure" + (style.empty() ? "" : " class=\"" + style + "\"") + ">" + inside +
         (caption.empty() ? "" : "<figcaption>" + caption + "</figcaption>") + "</figure>\n";
}

}  // namespace

Page::Page(const std::filesystem::path& output)
    : page_(output.extension() == ".html" ? output : output / "index.html"),
      folder_(output.extension() == ".html" ? std::filesystem::path() : output) {
  const std::filesystem::path folder = page_.parent_path();
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw IoError("cannot make the report's folder", error.value(), {"write a report", folder.string(), ""});
  }
}

void Page::section(const std::string& id, const std::string& title) { sections_.push_back({id, title, ""}); }

void Page::add(const std::string& html) { sections_.back().html += html; }

std::string Page::chart(const std::string& file, const std::string& svg, const std::string& caption,
                        const std::string& style) const {
  write_beside(file, svg);
  return figure(svg, caption, style);
}

std::string Page::chart(const std::string& file, const std::string& wide, const std::string& narrow,
                        const std::string& caption, const std::string& style) const {
  write_beside(file, wide);
  return figure("<div class=\"wide\">" + wide + "</div><div class=\"narrow\">" + narrow + "</div>", caption,
                style);
}

void Page::write_beside(const std::string& file, const std::string& svg) const {
  if (!folder_.empty()) write_file_durably(folder_ / (file + ".svg"), standalone_svg(svg));
}

std::string Page::picture(const std::string& file, const Picture& picture,
                          const std::string& alternative) const {
  const std::filesystem::path path = folder_ / file;
  std::filesystem::create_directories(path.parent_path());
  geo::write_png(path, picture.width, picture.height, picture.pixels);
  return "<img width=\"" + std::to_string(picture.width) + "\" height=\"" + std::to_string(picture.height) +
         "\" alt=\"" + escape_markup(alternative) + "\" src=\"" + data_uri("image/png", path) + "\">";
}

void Page::write(const std::string& title, const std::string& head) {
  std::string navigation, body;
  for (const Section& section : sections_) {
    if (section.html.empty()) continue;
    written_.push_back(section.id);
    navigation += "<li><a href=\"#" + section.id + "\">" + section.title + "</a></li>";
    body +=
        "<section id=\"" + section.id + "\"><h2>" + section.title + "</h2>\n" + section.html + "</section>\n";
  }
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
  html += "<meta name=\"color-scheme\" content=\"light dark\"><title>" + escape_markup(title) +
          "</title>\n<style>\n";
  html += ":root { " + chart_colors(false) + "}\n@media (prefers-color-scheme: dark) { :root { " +
          chart_colors(true) + "} }\n" + chart_rules() + page_style() + "</style></head>\n<body>\n<header>" +
          head;
  html += "<nav aria-label=\"Sections\"><ul>" + navigation + "</ul></nav></header>\n<main>\n" + body +
          "</main>\n";
  html += "<script>" + page_script() + "</script>\n</body></html>\n";
  write_file_durably(page_, html);
}

std::string data_uri(const std::string& type, const std::filesystem::path& file) {
  return "data:" + type + ";base64," + base64(read_bytes(file));
}

std::string table(const std::string& name, const std::string& inside, const std::string& style) {
  return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + escape_markup(name) +
         "\"><table" + (style.empty() ? "" : " class=\"" + style + "\"") + ">" + inside + "</table></div>\n";
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& rows, const std::string& name) {
  std::string html = "<tbody>";
  for (const auto& [row, value] : rows)
    html += "<tr><th scope=\"row\">" + escape_markup(row) + "</th><td>" + value + "</td></tr>";
  return table(name, html + "</tbody>", "facts");
}

std::string key_number(const std::string& name, const std::string& value, const std::string& note) {
  return "<div><dt>" + name + "</dt><dd class=\"number\">" + value + "</dd>" +
         (note.empty() ? "" : "<dd class=\"note\">" + note + "</dd>") + "</div>";
}

}  // namespace terramill::report
