#pragma once

#include <terramill/report/pictures.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace terramill::report {

/// An HTML page of one file, and the folder where its charts and pictures also lie as files.
class Page {
 public:
  /// A path that ends in .html is the page itself, and nothing is written beside it; another is the folder of
  /// index.html and of its charts. IoError when the folder cannot be made.
  explicit Page(const std::filesystem::path& output);

  /// Starts a section. One that gets no content is left out of page and navigation.
  void section(const std::string& id, const std::string& title);
  /// Adds HTML to the section.
  void add(const std::string& html);
  const std::vector<std::string>& sections() const { return written_; }

  /// A chart as a figure, in a folder also written to `file`.svg; `style`: further classes of the figure.
  std::string chart(const std::string& file, const std::string& svg, const std::string& caption,
                    const std::string& style = "") const;
  /// A chart in a wide and a narrow form, of which the page shows the one that fits its window.
  std::string chart(const std::string& file, const std::string& wide, const std::string& narrow,
                    const std::string& caption, const std::string& style) const;
  /// An image element of the picture, also written to `file` (PNG). Only of a page with a folder.
  std::string picture(const std::string& file, const Picture& picture, const std::string& alternative) const;

  /// Writes the page. `head`: HTML between the page's beginning and its first section.
  void write(const std::string& title, const std::string& head);

 private:
  struct Section {
    std::string id, title, html;
  };
  void write_beside(const std::string& file, const std::string& svg) const;

  std::filesystem::path page_, folder_;  ///< the folder is empty where nothing lies beside the page
  std::vector<Section> sections_;
  std::vector<std::string> written_;
};

/// A file's content as a data URI.
std::string data_uri(const std::string& type, const std::filesystem::path& file);

/// A table that scrolls by itself, by keyboard too, where it is wider than the page; `name` is what a screen
/// reader calls it, `inside` what stands between its tags.
std::string table(const std::string& name, const std::string& inside, const std::string& style = "");

/// Rows of a two-column table; values are HTML.
std::string facts(const std::vector<std::pair<std::string, std::string>>& rows,
                  const std::string& name = "What was trained");

/// An element of the list of key numbers below a page's title; `value` and `note` are HTML.
std::string key_number(const std::string& name, const std::string& value, const std::string& note);

/// The page's style sheet, without the charts' rules, and its script, which shows values under the pointer.
std::string page_style();
std::string page_script();

}  // namespace terramill::report
