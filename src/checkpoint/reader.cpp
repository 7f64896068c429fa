#include "layout.hpp"

#include <terramill/checkpoint/reader.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

namespace terramill::checkpoint {

namespace {

constexpr const char* kAttempt = "read a checkpoint";
constexpr const char* kAdvice = "resume from the checkpoint before it";

at::ScalarType type_named(const std::string& name, const std::string& origin) {
  for (int d = 0; d <= static_cast<int>(Dtype::kBool); ++d) {
    const auto dtype = static_cast<Dtype>(d);
    if (name == name_of(dtype)) return scalar_type_of(dtype);
  }
  throw FormatError("\"" + name + "\" is no type", {kAttempt, origin, ""});
}

std::int64_t count_of(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

Reader::Reader(std::filesystem::path directory) : directory_(std::move(directory)) {
  const std::filesystem::path path = directory_ / kIndexName;
  const std::string origin = path.string();
  const Json index = unseal(read_text(path), origin);
  if (json_get<std::string>(index, "format", origin) != "terramill-checkpoint" ||
      json_get<int>(index, "version", origin) != 1) {
    throw FormatError("this is no checkpoint of version 1", {kAttempt, origin, ""});
  }
  step_ = json_get<std::int64_t>(index, "step", origin);
  meta_ = json_get<Json>(index, "meta", origin);
  std::map<std::string, std::uint64_t> sizes;
  for (const Json& file : json_get<Json>(index, "files", origin)) {
    const auto name = json_get<std::string>(file, "name", origin);
    sizes[name] = json_get<std::uint64_t>(file, "bytes", origin);
    open(name, sizes[name], json_get<std::uint64_t>(file, "header_bytes", origin),
         from_hex(json_get<std::string>(file, "header_xxh3", origin)));
  }
  for (const Json& item : json_get<Json>(index, "tensors", origin)) {
    TensorEntry entry{json_get<std::string>(item, "name", origin),
                      type_named(json_get<std::string>(item, "dtype", origin), origin),
                      json_get<std::vector<std::int64_t>>(item, "shape", origin),
                      {}};
    const std::uint64_t width = c10::elementSize(entry.dtype);
    std::int64_t at = 0;
    for (const Json& part : json_get<Json>(item, "slices", origin)) {
      const Slice slice{
          json_get<std::string>(part, "file", origin), json_get<std::uint64_t>(part, "offset", origin),
          from_hex(json_get<std::string>(part, "xxh3", origin)),
          json_get<std::int64_t>(part, "begin", origin), json_get<std::int64_t>(part, "end", origin)};
      const auto file = sizes.find(slice.file);
      const bool fits =
          slice.begin == at && slice.end > slice.begin && file != sizes.end() &&
          slice.offset + static_cast<std::uint64_t>(slice.end - slice.begin) * width <= file->second;
      if (!fits)
        throw FormatError("the slices of " + entry.name + " do not make it up", {kAttempt, origin, ""});
      at = slice.end;
      entry.slices.push_back(slice);
    }
    if (at != count_of(entry.shape)) {
      throw FormatError("the slices of " + entry.name + " do not make it up", {kAttempt, origin, ""});
    }
    by_name_.emplace(entry.name, tensors_.size());
    tensors_.push_back(std::move(entry));
  }
}

void Reader::open(const std::string& name, std::uint64_t bytes, std::uint64_t header_bytes,
                  std::uint64_t header_hash) {
  FileDescriptor file = FileDescriptor::open_read(directory_ / name);
  const ErrorContext context{kAttempt, file.path().string(), kAdvice};
  if (file.size() != bytes || header_bytes > bytes) {
    throw FormatError("the file has " + std::to_string(file.size()) + " bytes, not " + std::to_string(bytes),
                      context);
  }
  std::vector<std::byte> header(header_bytes);
  file.read_at(0, header);
  if (xxh3(header) != header_hash) throw IntegrityError("the header disagrees with its hash", context);
  files_.emplace(name, std::move(file));
}

const TensorEntry& Reader::entry(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    throw FormatError("the checkpoint has no tensor " + name, {kAttempt, directory_.string(), ""});
  }
  return tensors_[found->second];
}

void Reader::read_slice(const TensorEntry& entry, const Slice& slice, std::span<std::byte> into) const {
  const FileDescriptor& file = files_.at(slice.file);
  file.read_at(slice.offset, into);
  if (xxh3(into) != slice.hash) {
    throw IntegrityError("the bytes of " + entry.name + " disagree with their hash",
                         {kAttempt, file.path().string(), kAdvice});
  }
}

at::Tensor Reader::read(const std::string& name) const {
  const TensorEntry& entry = this->entry(name);
  at::Tensor tensor = at::empty(entry.shape, entry.dtype);
  const std::span<std::byte> bytes(static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes());
  const std::size_t width = c10::elementSize(entry.dtype);
  for (const Slice& slice : entry.slices) {
    read_slice(entry, slice,
               bytes.subspan(static_cast<std::size_t>(slice.begin) * width,
                             static_cast<std::size_t>(slice.end - slice.begin) * width));
  }
  return tensor;
}

void Reader::read_into(const std::string& name, at::Tensor target) const {
  const TensorEntry& entry = this->entry(name);
  if (target.sizes() != at::IntArrayRef(entry.shape) || target.scalar_type() != entry.dtype) {
    throw FormatError("the checkpoint has " + name + " in another shape or type",
                      {kAttempt, directory_.string(), ""});
  }
  const at::NoGradGuard no_grad;
  target.copy_(read(name));
}

void Reader::verify(int part, int parts) const {
  int number = 0;
  std::vector<std::byte> bytes;
  for (const TensorEntry& entry : tensors_) {
    for (const Slice& slice : entry.slices) {
      if (number++ % parts != part) continue;
      bytes.resize(static_cast<std::size_t>(slice.end - slice.begin) * c10::elementSize(entry.dtype));
      read_slice(entry, slice, bytes);
    }
  }
}

}  // namespace terramill::checkpoint
