#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::corpus {

/// What a pattern's {name}s stood for in a path.
using Captures = std::map<std::string, std::string>;

/// A relative path with placeholders, as `S2/{id}/*_{band}.tif`. `{name}` stands for any text without '/',
/// the same text wherever the name recurs; `{date}` for YYYYMMDD or YYYY-MM-DD; `*` for any text without '/',
/// `**` for any text, `?` for one character. Placeholders take as much as they can, the first one first.
class PathPattern {
 public:
  /// UsageError, naming `origin`, for an unclosed brace or an empty name.
  PathPattern(const std::string& text, const std::string& origin);

  const std::string& text() const noexcept { return text_; }
  bool has(std::string_view name) const noexcept;
  std::optional<Captures> match(std::string_view path) const;
  /// The path with captures filled in; nothing when it has wildcards or a name that `captures` lacks.
  std::optional<std::string> expand(const Captures& captures) const;
  /// The longest folder that every match lies in; empty for the root.
  std::filesystem::path folder() const;

 private:
  struct Token {
    enum class Kind { kLiteral, kName, kDate, kStar, kDoubleStar, kAny } kind;
    std::string text;
  };
  bool match_from(std::size_t token, std::string_view rest, Captures& captures) const;

  std::string text_;
  std::vector<Token> tokens_;
};

}  // namespace terramill::corpus
