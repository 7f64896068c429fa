#include "path_pattern.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>
#include <array>

namespace terramill::corpus {
namespace {

/// Whether text reads YYYYMMDD or YYYY-MM-DD.
bool is_date(std::string_view text) {
  const bool dashes = text.size() == 10;
  if (!dashes && text.size() != 8) return false;
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (dashes && (i == 4 || i == 7)) {
      if (text[i] != '-') return false;
    } else if (text[i] < '0' || text[i] > '9') {
      return false;
    } else {
      digits += text[i];
    }
  }
  const auto month = digits.substr(4, 2), day = digits.substr(6, 2);
  return month >= "01" && month <= "12" && day >= "01" && day <= "31";
}

}  // namespace

PathPattern::PathPattern(const std::string& text, const std::string& origin) : text_(text) {
  const auto literal = [this](char c) {
    if (tokens_.empty() || tokens_.back().kind != Token::Kind::kLiteral) {
      tokens_.push_back({Token::Kind::kLiteral, ""});
    }
    tokens_.back().text += c;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string::npos || end == i + 1) {
        throw UsageError(
            "the pattern \"" + text + "\" has a brace that encloses no name",
            {"read a path pattern", origin, "write {id}, {band}, {label}, {date} or a name of your own"});
      }
      const std::string name = text.substr(i + 1, end - i - 1);
      tokens_.push_back({name == "date" ? Token::Kind::kDate : Token::Kind::kName, name});
      i = end;
    } else if (text[i] == '*') {
      const bool twice = i + 1 < text.size() && text[i + 1] == '*';
      tokens_.push_back({twice ? Token::Kind::kDoubleStar : Token::Kind::kStar, ""});
      if (twice) ++i;
    } else if (text[i] == '?') {
      tokens_.push_back({Token::Kind::kAny, ""});
    } else {
      literal(text[i]);
    }
  }
}

bool PathPattern::has(std::string_view name) const noexcept {
  return std::ranges::any_of(tokens_, [&](const Token& token) {
    return (token.kind == Token::Kind::kName || token.kind == Token::Kind::kDate) && token.text == name;
  });
}

std::optional<Captures> PathPattern::match(std::string_view path) const {
  Captures captures;
  if (!match_from(0, path, captures)) return std::nullopt;
  return captures;
}

bool PathPattern::match_from(std::size_t token, std::string_view rest, Captures& captures) const {
  if (token == tokens_.size()) return rest.empty();
  const Token& here = tokens_[token];
  switch (here.kind) {
    case Token::Kind::kLiteral:
      return rest.starts_with(here.text) && match_from(token + 1, rest.substr(here.text.size()), captures);
    case Token::Kind::kAny:
      return !rest.empty() && rest.front() != '/' && match_from(token + 1, rest.substr(1), captures);
    case Token::Kind::kStar:
    case Token::Kind::kDoubleStar: {
      std::size_t length =
          here.kind == Token::Kind::kStar ? std::min(rest.find('/'), rest.size()) : rest.size();
      for (;; --length) {
        if (match_from(token + 1, rest.substr(length), captures)) return true;
        if (length == 0) return false;
      }
    }
    case Token::Kind::kName:
    case Token::Kind::kDate:
      break;
  }
  if (const auto known = captures.find(here.text); known != captures.end()) {
    return rest.starts_with(known->second) &&
           match_from(token + 1, rest.substr(known->second.size()), captures);
  }
  for (std::size_t length = std::min(rest.find('/'), rest.size()); length > 0; --length) {
    if (here.kind == Token::Kind::kDate && !is_date(rest.substr(0, length))) continue;
    captures[here.text] = std::string(rest.substr(0, length));
    if (match_from(token + 1, rest.substr(length), captures)) return true;
    captures.erase(here.text);
  }
  return false;
}

std::optional<std::string> PathPattern::expand(const Captures& captures) const {
  std::string path;
  for (const Token& token : tokens_) {
    if (token.kind == Token::Kind::kLiteral) {
      path += token.text;
      continue;
    }
    const auto found = captures.find(token.text);
    if (found == captures.end()) return std::nullopt;
    path += found->second;
  }
  return path;
}

std::filesystem::path PathPattern::folder() const {
  if (tokens_.empty() || tokens_.front().kind != Token::Kind::kLiteral) return {};
  const std::size_t slash = tokens_.front().text.rfind('/');
  return slash == std::string::npos ? std::string() : tokens_.front().text.substr(0, slash);
}

}  // namespace terramill::corpus
