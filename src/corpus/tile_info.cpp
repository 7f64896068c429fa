#include "tile_info.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>

#include <algorithm>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

namespace terramill::corpus {
namespace {

constexpr std::size_t kBlock = std::size_t{4} << 20;
constexpr std::uint64_t kMaximumBytes = std::numeric_limits<std::uint32_t>::max();

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// What stands between the quotes is kept where the key is no JSON text.
void read_key(const std::string& quoted, TileInfo::Text& text) {
  text.tile_id = quoted.substr(1, quoted.size() - 2);
  const bool plain =
      std::ranges::all_of(text.tile_id, [](char c) { return c >= ' ' && c <= '~' && c != '\\'; });
  if (plain) return;
  try {
    text.tile_id = parse_json(quoted, "its key").get<std::string>();
  } catch (const FormatError& error) {
    text.key_fault = error.message();
  }
}

}  // namespace

/// A machine over the bytes of the file that knows strings, escapes and nesting, but builds nothing.
class TileInfoScanner {
 public:
  explicit TileInfoScanner(TileInfo& info) : info_(info) {}

  void scan() {
    const std::uint64_t size = info_.file_.size();
    std::vector<char> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(size, kBlock)));
    Xxh3 hash;
    for (std::uint64_t offset = 0; offset < size; offset += block_.size()) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size - offset, kBlock));
      const auto bytes = std::as_writable_bytes(std::span(buffer).first(count));
      info_.file_.read_at(offset, bytes);
      hash.update(bytes);
      block_ = std::string_view(buffer.data(), count);
      block_offset_ = offset;
      for (position_ = 0; position_ < block_.size();) step();
      lines_before_ += static_cast<std::uint64_t>(std::ranges::count(block_, '\n'));
    }
    block_offset_ = size;
    block_ = {};
    position_ = 0;
    if (state_ == State::kStart) fail("the file is empty");
    if (state_ != State::kDone) {
      fail("the file ends too early, " +
           (info_.members_.empty() && key_.empty() ? "before the first tile" : "at or after tile " + key_));
    }
    info_.xxh3_ = hash.digest();
    refuse_duplicates();
  }

 private:
  enum class State { kStart, kKeyOrEnd, kNextKey, kKey, kColon, kValue, kInside, kText, kCommaOrEnd, kDone };

  void step() {
    switch (state_) {
      case State::kInside:
        return inside();
      case State::kText:
        return text();
      case State::kKey:
        return key();
      default:
        break;
    }
    const char c = block_[position_];
    if (is_blank(c)) {
      ++position_;
      return;
    }
    switch (state_) {
      case State::kStart:
        expect(c, '{', State::kKeyOrEnd);
        break;
      case State::kKeyOrEnd:
        if (c == '}') {
          state_ = State::kDone;
          break;
        }
        [[fallthrough]];
      case State::kNextKey:
        expect(c, '"', State::kKey);
        key_ = "\"";
        member_ = {here(), 0, 0, 0};
        break;
      case State::kColon:
        expect(c, ':', State::kValue);
        break;
      case State::kValue:
        expect(c, '{', State::kInside);
        member_.value_distance = within_limits(here() - member_.offset);
        depth_ = 1;
        break;
      case State::kCommaOrEnd:
        if (c == '}') {
          state_ = State::kDone;
        } else {
          expect(c, ',', State::kNextKey);
        }
        break;
      default:
        fail("something stands behind the closing brace");
    }
    ++position_;
  }

  void key() {
    while (position_ < block_.size()) {
      const char c = block_[position_++];
      key_ += c;
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        member_.key_bytes = within_limits(key_.size());
        state_ = State::kColon;
        return;
      }
    }
  }

  void text() {
    while (position_ < block_.size()) {
      const char c = block_[position_++];
      if (escaped_) {
        escaped_ = false;
      } else if (c == '"') {
        state_ = State::kInside;
        return;
      } else {
        escaped_ = c == '\\';
      }
    }
  }

  void inside() {
    while (position_ < block_.size()) {
      switch (block_[position_++]) {
        case '"':
          state_ = State::kText;
          return;
        case '{':
        case '[':
          ++depth_;
          break;
        case '}':
        case ']':
          if (--depth_ == 0) {
            if (block_[position_ - 1] == ']')
              fail("tile " + key_ + " opens with a brace and closes with a bracket");
            member_.value_bytes =
                within_limits(block_offset_ + position_ - member_.offset - member_.value_distance);
            info_.members_.push_back(member_);
            hashes_.push_back(terramill::xxh3(key_));
            state_ = State::kCommaOrEnd;
            return;
          }
          break;
        default:
          break;
      }
    }
  }

  void expect(char found, char wanted, State next) {
    if (found != wanted) {
      fail(std::string("expected '") + wanted + "' and found '" + found + "'" +
           (key_.empty() ? "" : " at or after tile " + key_));
    }
    state_ = next;
  }

  std::uint64_t here() const noexcept { return block_offset_ + position_; }

  std::uint32_t within_limits(std::uint64_t bytes) const {
    if (bytes > kMaximumBytes) fail("tile " + key_ + " has an entry of more than 4 GiB");
    return static_cast<std::uint32_t>(bytes);
  }

  [[noreturn]] void fail(const std::string& reason) const {
    const auto lines = std::ranges::count(block_.substr(0, position_), '\n');
    throw FormatError(info_.path().string() + ":" +
                          std::to_string(lines_before_ + static_cast<std::uint64_t>(lines) + 1) + " (byte " +
                          std::to_string(here()) + "): " + reason,
                      {"read the table of tiles", info_.path(),
                       "download the file again, or cut it back to its last whole entry"});
  }

  /// Sorts hashes of the ids; equal ones are read again and compared.
  void refuse_duplicates() const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> keys(info_.members_.size());
    for (std::uint64_t i = 0; i < keys.size(); ++i) keys[i] = {hashes_[i], i};
    std::ranges::sort(keys);
    for (std::size_t i = 1; i < keys.size(); ++i) {
      if (keys[i - 1].first != keys[i].first) continue;
      const auto first = info_.read(keys[i - 1].second).tile_id, second = info_.read(keys[i].second).tile_id;
      if (first != second) continue;
      throw FormatError("the tile \"" + first + "\" is there twice: at " +
                            info_.position_of(keys[i - 1].second) + " and at " +
                            info_.position_of(keys[i].second),
                        {"read the table of tiles", info_.path(), "remove one of the two entries"});
    }
  }

  TileInfo& info_;
  State state_ = State::kStart;
  std::string_view block_;
  std::uint64_t block_offset_ = 0, lines_before_ = 0;
  std::size_t position_ = 0;
  std::string key_;
  TileInfo::Member member_{};
  std::uint64_t depth_ = 0;
  bool escaped_ = false;
  std::vector<std::uint64_t> hashes_;
};

TileInfo::TileInfo(const std::filesystem::path& path) : file_(FileDescriptor::open_read(path)) {
  TileInfoScanner(*this).scan();
}

std::string TileInfo::position_of(std::uint64_t member) const {
  return "byte " + std::to_string(members_[member].offset);
}

TileInfo::Text TileInfo::read(std::uint64_t member) const {
  const Member& place = members_[member];
  std::string bytes(std::size_t{place.value_distance} + place.value_bytes, '\0');
  file_.read_at(place.offset, std::as_writable_bytes(std::span(bytes)));
  Text text;
  read_key(bytes.substr(0, place.key_bytes), text);
  text.json = bytes.substr(place.value_distance);
  return text;
}

}  // namespace terramill::corpus
