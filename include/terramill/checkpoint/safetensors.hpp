#pragma once

#include <terramill/core/file.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::checkpoint {

/// Element types of the safetensors format (https://huggingface.co/docs/safetensors, "Format").
enum class Dtype { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU64, kU32, kU16, kU8, kBool };

/// Bytes of one element.
std::size_t size_of(Dtype dtype) noexcept;
/// The format's name of a type, e.g. "BF16".
std::string_view name_of(Dtype dtype) noexcept;

/// What a file says about one tensor. Values are row-major and little-endian.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;  ///< empty for a scalar
  std::uint64_t offset = 0;         ///< of the first byte, from the start of the file
  std::uint64_t bytes = 0;
};

/// Text pairs stored under `__metadata__`.
using Metadata = std::map<std::string, std::string>;

/// A safetensors file opened for reading. The header is checked whole on opening: its length (at most 100 MB,
/// as the format's own readers demand), every type, shape and offset, and that the tensors fill the file
/// without holes or overlap.
class SafetensorsReader {
 public:
  /// IoError when it cannot be read; FormatError naming file and tensor when it is not a whole, valid file.
  explicit SafetensorsReader(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return file_.path(); }
  /// In the order of the bytes in the file.
  const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }
  const Metadata& metadata() const noexcept { return metadata_; }

  /// Null when the file has no such tensor.
  const TensorInfo* find(std::string_view name) const noexcept;
  /// FormatError when the file has no such tensor.
  const TensorInfo& at(std::string_view name) const;

  /// All bytes of one tensor.
  std::vector<std::byte> read(std::string_view name) const;
  /// Bytes [begin, begin + into.size()) of one tensor. Safe from several threads at once. FormatError when
  /// the range leaves the tensor.
  void read_into(const TensorInfo& tensor, std::uint64_t begin, std::span<std::byte> into) const;

 private:
  void check_extents(std::uint64_t data_begin, std::uint64_t file_size);

  FileDescriptor file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  Metadata metadata_;
};

/// What is to be written: one tensor's name, type and shape.
struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
};

/// Writes a safetensors file of which all names, types and shapes are known before. Wider types come first,
/// so that every tensor is aligned to its element; the header is padded with blanks to eight bytes. The file
/// appears under its own name only when `finish` has published it; without it nothing is left behind.
class SafetensorsWriter {
 public:
  /// Creates the temporary file and writes the header. A durable file is on its way to the disk while it is
  /// written, and synced by `finish`. IoError; FormatError for a repeated or reserved name or a negative
  /// extent.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                    const Metadata& metadata = {}, bool durable = true);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  /// Bytes of the finished file.
  std::uint64_t file_size() const noexcept { return file_size_; }
  /// Bytes before the first tensor, and their xxh3.
  std::uint64_t header_size() const noexcept { return header_size_; }
  std::uint64_t header_hash() const noexcept { return header_hash_; }
  /// Writes one tensor, in any order. FormatError for an unknown name, another size, or a tensor written
  /// twice.
  struct Written {
    std::uint64_t offset = 0;  ///< of its first byte in the file
    std::uint64_t xxh3 = 0;    ///< of its bytes
  };
  Written write(std::string_view name, std::span<const std::byte> bytes);
  /// Publishes under the final name. FormatError naming a tensor that was not written.
  void finish();

 private:
  /// Has the disk begin on what was written in one run, as soon as there is enough of it.
  void send_on(std::uint64_t offset, std::uint64_t size);

  std::filesystem::path path_, temporary_;
  bool durable_;
  FileDescriptor file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::vector<bool> written_;
  std::uint64_t file_size_ = 0, header_size_ = 0, header_hash_ = 0;
  std::uint64_t unsynced_begin_ = 0, unsynced_end_ = 0;  ///< written one after another, not yet on its way
  bool published_ = false;
};

}  // namespace terramill::checkpoint
