#pragma once

#include <terramill/core/file.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

/// The `*_tile_info.json` of MMEarth: one object {tile_id: {…}, …} of up to millions of members. It is read
/// once from end to end for the place of each member; members are parsed when they are asked for. Thread-safe
/// after construction.
class TileInfo {
 public:
  /// FormatError with line and byte when the file is cut short, is no object of objects, or names a tile
  /// twice.
  explicit TileInfo(const std::filesystem::path& path);

  std::uint64_t size() const noexcept { return members_.size(); }
  const std::filesystem::path& path() const noexcept { return file_.path(); }
  /// Hash of the whole file.
  std::uint64_t xxh3() const noexcept { return xxh3_; }
  /// "byte 1234", for messages.
  std::string position_of(std::uint64_t member) const;

  struct Text {
    std::string tile_id;
    std::string json;       ///< the member's value, unparsed
    std::string key_fault;  ///< why the key is no text; empty: it is one
  };
  /// In the order of the file. IoError when the file cannot be read any more.
  Text read(std::uint64_t member) const;

 private:
  struct Member {
    std::uint64_t offset;          ///< of the key's opening quote
    std::uint32_t key_bytes;       ///< with quotes
    std::uint32_t value_distance;  ///< from the key's opening quote to the value's brace
    std::uint32_t value_bytes;     ///< with braces
  };
  friend class TileInfoScanner;

  FileDescriptor file_;
  std::vector<Member> members_;
  std::uint64_t xxh3_ = 0;
};

}  // namespace terramill::corpus
