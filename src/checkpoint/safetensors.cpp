#include <terramill/checkpoint/safetensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <system_error>

namespace terramill::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors values are little-endian");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::uint64_t kHeaderAlignment = 8;
constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;   ///< hashed and written while the cache has it
constexpr std::uint64_t kSendOn = std::uint64_t{8} << 20;  ///< what the disk is given at a time
constexpr const char* kMetadataKey = "__metadata__";

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<DtypeRow, 13> kDtypes{{{Dtype::kF64, "F64", 8},
                                            {Dtype::kF32, "F32", 4},
                                            {Dtype::kF16, "F16", 2},
                                            {Dtype::kBF16, "BF16", 2},
                                            {Dtype::kI64, "I64", 8},
                                            {Dtype::kI32, "I32", 4},
                                            {Dtype::kI16, "I16", 2},
                                            {Dtype::kI8, "I8", 1},
                                            {Dtype::kU64, "U64", 8},
                                            {Dtype::kU32, "U32", 4},
                                            {Dtype::kU16, "U16", 2},
                                            {Dtype::kU8, "U8", 1},
                                            {Dtype::kBool, "BOOL", 1}}};

[[noreturn]] void refuse(const std::string& what, const std::filesystem::path& path,
                         std::string_view tensor = {}) {
  std::string subject = path.string();
  if (!tensor.empty()) {
    subject += ", tensor " + std::string(tensor);
  }
  throw FormatError(
      what, {"read safetensors", subject, "the file is damaged or of another format; use an intact copy"});
}

Dtype parse_dtype(const std::string& text, const std::filesystem::path& path, const std::string& tensor) {
  const auto* row = std::ranges::find(kDtypes, std::string_view(text), &DtypeRow::name);
  if (row == kDtypes.end()) {
    refuse("the type \"" + text + "\" is unknown", path, tensor);
  }
  return row->dtype;
}

/// Elements times bytes, or nothing when the product leaves 64 bits or an extent is negative.
std::optional<std::uint64_t> byte_count(Dtype dtype, const std::vector<std::int64_t>& shape) {
  std::uint64_t bytes = size_of(dtype);
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

std::uint64_t unsigned_number(const Json& value, const std::filesystem::path& path,
                              const std::string& tensor) {
  if (!value.is_number_integer() || (!value.is_number_unsigned() && value.get<std::int64_t>() < 0)) {
    refuse("an extent or offset is not a whole number of at least 0", path, tensor);
  }
  return value.get<std::uint64_t>();
}

/// Reads one header entry; `offset` is left relative to the data.
TensorInfo parse_entry(const std::string& name, const Json& entry, const std::filesystem::path& path) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    refuse("the entry lacks dtype, shape or data_offsets", path, name);
  }
  TensorInfo info{name, parse_dtype(entry["dtype"].get<std::string>(), path, name), {}, 0, 0};
  for (const Json& extent : entry["shape"]) {
    const std::uint64_t value = unsigned_number(extent, path, name);
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      refuse("an extent is too large", path, name);
    }
    info.shape.push_back(static_cast<std::int64_t>(value));
  }
  const std::uint64_t begin = unsigned_number(entry["data_offsets"][0], path, name);
  const std::uint64_t end = unsigned_number(entry["data_offsets"][1], path, name);
  const auto bytes = byte_count(info.dtype, info.shape);
  if (end < begin || !bytes || *bytes != end - begin) {
    refuse("the offsets do not fit type and shape", path, name);
  }
  info.offset = begin;
  info.bytes = *bytes;
  return info;
}

Metadata parse_metadata(const Json& value, const std::filesystem::path& path) {
  if (!value.is_object()) {
    refuse("__metadata__ is not an object", path);
  }
  Metadata metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      refuse("__metadata__ holds something else than text under \"" + key + "\"", path);
    }
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

}  // namespace

std::size_t size_of(Dtype dtype) noexcept {
  return std::ranges::find(kDtypes, dtype, &DtypeRow::dtype)->size;
}

std::string_view name_of(Dtype dtype) noexcept {
  return std::ranges::find(kDtypes, dtype, &DtypeRow::dtype)->name;
}

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path)
    : file_(FileDescriptor::open_read(path)) {
  const std::uint64_t size = file_.size();
  if (size < kLengthBytes) {
    refuse("the file is shorter than the header's length field", path);
  }
  std::uint64_t length = 0;
  file_.read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > kMaxHeader || length > size - kLengthBytes) {
    refuse("the header's length, " + std::to_string(length) + " bytes, leaves the file or 100 MB", path);
  }
  std::string text(length, '\0');
  file_.read_at(kLengthBytes, std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{')) {
    refuse("the header does not begin with '{'", path);
  }
  const Json header = parse_json(text, path.string() + " (header)");
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      metadata_ = parse_metadata(entry, path);
    } else {
      tensors_.push_back(parse_entry(name, entry, path));
    }
  }
  check_extents(kLengthBytes + length, size);
}

void SafetensorsReader::check_extents(std::uint64_t data_begin, std::uint64_t file_size) {
  std::ranges::stable_sort(tensors_, [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    TensorInfo& tensor = tensors_[i];
    if (tensor.offset != end) {
      refuse("the tensor does not begin where the one before it ends", path(), tensor.name);
    }
    if (tensor.bytes > file_size - data_begin - end) {
      refuse("the file ends before the tensor does", path(), tensor.name);
    }
    end += tensor.bytes;
    tensor.offset += data_begin;
    by_name_.emplace(tensor.name, i);
  }
  if (end != file_size - data_begin) {
    refuse("the file has " + std::to_string(file_size - data_begin - end) + " bytes that belong to no tensor",
           path());
  }
}

const TensorInfo* SafetensorsReader::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

const TensorInfo& SafetensorsReader::at(std::string_view name) const {
  const TensorInfo* tensor = find(name);
  if (tensor == nullptr) {
    throw FormatError("the file has no such tensor",
                      {"read safetensors", path().string() + ", tensor " + std::string(name), ""});
  }
  return *tensor;
}

std::vector<std::byte> SafetensorsReader::read(std::string_view name) const {
  const TensorInfo& tensor = at(name);
  std::vector<std::byte> bytes(tensor.bytes);
  read_into(tensor, 0, bytes);
  return bytes;
}

void SafetensorsReader::read_into(const TensorInfo& tensor, std::uint64_t begin,
                                  std::span<std::byte> into) const {
  if (begin > tensor.bytes || into.size() > tensor.bytes - begin) {
    throw FormatError("the slice leaves the tensor",
                      {"read safetensors", path().string() + ", tensor " + tensor.name, ""});
  }
  file_.read_at(tensor.offset + begin, into);
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                                     const Metadata& metadata, bool durable)
    : path_(path), temporary_(temporary_name(path)), durable_(durable) {
  std::ranges::stable_sort(tensors, std::greater<>{},
                           [](const TensorSpec& spec) { return size_of(spec.dtype); });
  Json header = Json::object();
  if (!metadata.empty()) {
    header[kMetadataKey] = Json(metadata);
  }
  std::uint64_t end = 0;
  for (TensorSpec& spec : tensors) {
    const auto bytes = byte_count(spec.dtype, spec.shape);
    if (spec.name == kMetadataKey || !by_name_.emplace(spec.name, tensors_.size()).second || !bytes) {
      throw FormatError("the tensor's name is reserved or repeated, or its shape impossible",
                        {"write safetensors", path.string() + ", tensor " + spec.name, ""});
    }
    header[spec.name] = {
        {"dtype", name_of(spec.dtype)}, {"shape", spec.shape}, {"data_offsets", {end, end + *bytes}}};
    tensors_.push_back({std::move(spec.name), spec.dtype, std::move(spec.shape), end, *bytes});
    end += *bytes;
  }
  std::string text = header.dump();
  text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  const std::uint64_t length = text.size();
  text.insert(0, reinterpret_cast<const char*>(&length), kLengthBytes);
  header_size_ = text.size();
  header_hash_ = xxh3(text);
  file_size_ = header_size_ + end;
  for (TensorInfo& tensor : tensors_) tensor.offset += header_size_;
  written_.resize(tensors_.size());

  file_ = FileDescriptor::create(temporary_);
  file_.write_at(0, std::as_bytes(std::span(text)));
  unsynced_end_ = header_size_;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!published_) {
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }
}

SafetensorsWriter::Written SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const ErrorContext context{"write safetensors", path_.string() + ", tensor " + std::string(name), ""};
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    throw FormatError("the tensor was not announced", context);
  }
  const TensorInfo& tensor = tensors_[found->second];
  if (bytes.size() != tensor.bytes || written_[found->second]) {
    throw FormatError("the tensor has another size than announced, or was written before", context);
  }
  Xxh3 hash;
  for (std::uint64_t at = 0; at < bytes.size(); at += kBlock) {
    const auto block = bytes.subspan(at, std::min<std::uint64_t>(kBlock, bytes.size() - at));
    hash.update(block);
    file_.write_at(tensor.offset + at, block);
    if (durable_) send_on(tensor.offset + at, block.size());
  }
  written_[found->second] = true;
  return {tensor.offset, hash.digest()};
}

void SafetensorsWriter::send_on(std::uint64_t offset, std::uint64_t size) {
  if (offset != unsynced_end_) unsynced_begin_ = offset;
  unsynced_end_ = offset + size;
  if (unsynced_end_ - unsynced_begin_ < kSendOn) return;
  file_.begin_sync(unsynced_begin_, unsynced_end_);
  unsynced_begin_ = unsynced_end_;
}

void SafetensorsWriter::finish() {
  const auto missing = std::ranges::find(written_, false);
  if (missing != written_.end()) {
    const auto index = static_cast<std::size_t>(missing - written_.begin());
    throw FormatError("the tensor was not written",
                      {"write safetensors", path_.string() + ", tensor " + tensors_[index].name, ""});
  }
  if (durable_) file_.sync();  // here, where errors of what begin_sync sent on come out
  file_.close();
  if (durable_) {
    publish(temporary_, path_);
  } else {
    std::error_code fault;
    std::filesystem::rename(temporary_, path_, fault);
    if (fault) throw IoError("cannot rename", fault.value(), {"write safetensors", path_.string(), ""});
  }
  published_ = true;
}

}  // namespace terramill::checkpoint
