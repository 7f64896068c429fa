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
constexpr int kVersion = 2;  // 1 had no regions
/// Hashed while the cache has it; and what the disk may read ahead of that.
constexpr std::size_t kBlock = std::size_t{1} << 20, kAhead = std::size_t{8} << 20;
constexpr std::size_t kOpenFiles = 32;
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

[[noreturn]] void throw_incomplete(const TensorEntry& entry, const std::string& origin) {
  throw FormatError("the slices of " + entry.name + " do not make it up", {kAttempt, origin, ""});
}

/// Sorts the slices by region and place; FormatError where they leave a gap or overlap.
void order_and_check(TensorEntry& entry, const std::string& origin) {
  std::ranges::sort(entry.slices, {}, [](const Slice& s) { return std::pair(s.range.begin, s.begin); });
  const auto demand = [&](bool holds) {
    if (!holds) throw_incomplete(entry, origin);
  };
  if (entry.slices.empty()) return demand(count_of(entry.shape) == 0);
  const int dim = entry.slices.front().dim;
  demand(dim < static_cast<int>(entry.shape.size()));
  std::int64_t at = 0, region_end = 0;  // in the region; of the regions before it
  for (std::size_t i = 0; i < entry.slices.size(); ++i) {
    const Slice& slice = entry.slices[i];
    if (at == 0 && dim >= 0) {
      demand(slice.range.begin == region_end && slice.range.end > slice.range.begin);
      region_end = slice.range.end;
    }
    demand(slice.dim == dim && slice.range.end == region_end && slice.begin == at &&
           slice.end <= entry.region_size(slice));
    at = slice.end == entry.region_size(slice) ? 0 : slice.end;
    demand(at == 0 || i + 1 < entry.slices.size());
  }
  demand(dim < 0 || region_end == entry.shape[static_cast<std::size_t>(dim)]);
}

}  // namespace

std::int64_t TensorEntry::region_size(const Slice& slice) const {
  const std::int64_t all = count_of(shape);
  if (slice.dim < 0) return all;
  return all / shape[static_cast<std::size_t>(slice.dim)] * slice.range.size();
}

Reader::Reader(std::filesystem::path directory, int part, int parts) : directory_(std::move(directory)) {
  const std::filesystem::path path = directory_ / kIndexName;
  const std::string origin = path.string();
  const Json index = unseal(read_text(path), origin);
  if (json_get<std::string>(index, "format", origin) != "terramill-checkpoint" ||
      json_get<int>(index, "version", origin) > kVersion) {
    throw FormatError("this is no checkpoint of version 1 to " + std::to_string(kVersion),
                      {kAttempt, origin, ""});
  }
  step_ = json_get<std::int64_t>(index, "step", origin);
  meta_ = json_get<Json>(index, "meta", origin);
  std::map<std::string, std::uint64_t> sizes;
  for (const Json& file : json_get<Json>(index, "files", origin)) {
    const auto name = json_get<std::string>(file, "name", origin);
    const bool mine = static_cast<int>(sizes.size()) % parts == part;
    sizes[name] = json_get<std::uint64_t>(file, "bytes", origin);
    if (!mine) continue;
    check_file(name, sizes[name], json_get<std::uint64_t>(file, "header_bytes", origin),
               from_hex(json_get<std::string>(file, "header_xxh3", origin)));
  }
  for (const Json& item : json_get<Json>(index, "tensors", origin)) {
    TensorEntry entry{json_get<std::string>(item, "name", origin),
                      type_named(json_get<std::string>(item, "dtype", origin), origin),
                      json_get<std::vector<std::int64_t>>(item, "shape", origin),
                      {}};
    const std::uint64_t width = c10::elementSize(entry.dtype);
    for (const Json& part : json_get<Json>(item, "slices", origin)) {
      Slice slice{json_get<std::string>(part, "file", origin),
                  json_get<std::uint64_t>(part, "offset", origin),
                  from_hex(json_get<std::string>(part, "xxh3", origin)),
                  json_get<std::int64_t>(part, "begin", origin),
                  json_get<std::int64_t>(part, "end", origin),
                  -1,
                  {}};
      if (part.contains("region")) {
        const Json region = json_get<Json>(part, "region", origin);
        slice.dim = json_get<int>(region, "dim", origin);
        slice.range = {json_get<std::int64_t>(region, "begin", origin),
                       json_get<std::int64_t>(region, "end", origin)};
      }
      const auto file = sizes.find(slice.file);
      const bool fits =
          slice.begin >= 0 && slice.end > slice.begin && file != sizes.end() &&
          slice.offset + static_cast<std::uint64_t>(slice.end - slice.begin) * width <= file->second;
      if (!fits) throw_incomplete(entry, origin);
      entry.slices.push_back(slice);
    }
    order_and_check(entry, origin);
    by_name_.emplace(entry.name, tensors_.size());
    tensors_.push_back(std::move(entry));
  }
}

void Reader::check_file(const std::string& name, std::uint64_t bytes, std::uint64_t header_bytes,
                        std::uint64_t header_hash) const {
  const FileDescriptor file = FileDescriptor::open_read(directory_ / name);
  const ErrorContext context{kAttempt, file.path().string(), kAdvice};
  if (file.size() != bytes || header_bytes > bytes) {
    throw FormatError("the file has " + std::to_string(file.size()) + " bytes, not " + std::to_string(bytes),
                      context);
  }
  std::vector<std::byte> header(header_bytes);
  file.read_at(0, header);
  if (xxh3(header) != header_hash) throw IntegrityError("the header disagrees with its hash", context);
}

const FileDescriptor& Reader::open(const std::string& name) const {
  const auto found = open_.find(name);
  if (found != open_.end()) return found->second;
  if (open_.size() >= kOpenFiles) open_.clear();
  return open_.emplace(name, FileDescriptor::open_read(directory_ / name)).first->second;
}

const TensorEntry& Reader::entry(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    throw FormatError("the checkpoint has no tensor " + name, {kAttempt, directory_.string(), ""});
  }
  return tensors_[found->second];
}

void Reader::read_slice(const TensorEntry& entry, const Slice& slice, std::span<std::byte> into) const {
  const FileDescriptor& file = open(slice.file);
  Xxh3 hash;
  for (std::size_t at = 0; at < into.size(); at += kBlock) {
    const std::uint64_t here = slice.offset + at;
    file.begin_read(here + kBlock, here + kAhead);
    const auto block = into.subspan(at, std::min(kBlock, into.size() - at));
    file.read_at(here, block);
    hash.update(block);
  }
  if (hash.digest() != slice.hash) {
    throw IntegrityError("bytes " + std::to_string(slice.offset) + " to " +
                             std::to_string(slice.offset + into.size()) + ", of " + entry.name +
                             ", disagree with their hash",
                         {kAttempt, file.path().string(), kAdvice});
  }
}

at::Tensor Reader::read_region(const TensorEntry& entry, int dim, const parallel::Range& range,
                               std::int64_t begin, std::int64_t end) const {
  at::Tensor region = at::empty({end - begin}, entry.dtype);
  read_region_into(entry, dim, range, begin, region);
  return region;
}

void Reader::read_region_into(const TensorEntry& entry, int dim, const parallel::Range& range,
                              std::int64_t begin, const at::Tensor& region) const {
  const std::int64_t end = begin + region.numel();
  const std::size_t width = c10::elementSize(entry.dtype);
  const std::span<std::byte> bytes(static_cast<std::byte*>(region.mutable_data_ptr()), region.nbytes());
  std::vector<std::byte> whole;  // a slice of which only a part is wanted
  for (const Slice& slice : entry.slices) {
    const std::int64_t low = std::max(begin, slice.begin), high = std::min(end, slice.end);
    if (slice.dim != dim || slice.range.begin != range.begin || low >= high) continue;
    const auto into = bytes.subspan(static_cast<std::size_t>(low - begin) * width,
                                    static_cast<std::size_t>(high - low) * width);
    if (low == slice.begin && high == slice.end) {
      read_slice(entry, slice, into);
    } else {
      whole.resize(static_cast<std::size_t>(slice.end - slice.begin) * width);
      read_slice(entry, slice, whole);
      std::copy_n(whole.begin() + (low - slice.begin) * static_cast<std::int64_t>(width), into.size(),
                  into.begin());
    }
  }
}

at::Tensor Reader::read(const std::string& name) const {
  const TensorEntry& entry = this->entry(name);
  const std::int64_t count = count_of(entry.shape);
  if (entry.slices.empty() || entry.slices.front().dim < 0) {
    return read_region(entry, -1, {}, 0, count).view(entry.shape);
  }
  const at::Tensor tensor = at::empty(entry.shape, entry.dtype);
  for (const Slice& slice : entry.slices) {
    if (slice.begin != 0) continue;  // once a region
    const at::Tensor part = tensor.narrow(slice.dim, slice.range.begin, slice.range.size());
    part.copy_(read_region(entry, slice.dim, slice.range, 0, entry.region_size(slice)).view(part.sizes()));
  }
  return tensor;
}

void Reader::read_into(const StateTensor& target) const {
  const at::NoGradGuard no_grad;
  const TensorEntry& entry = this->entry(target.name);
  if (target.shape != entry.shape || target.dtype != entry.dtype) {
    throw FormatError("the checkpoint has " + target.name + " in another shape or type",
                      {kAttempt, directory_.string(), ""});
  }
  at::Tensor whole;
  for (const Piece& piece : target.pieces) {
    const std::int64_t end = piece.begin + piece.values.numel();
    const bool stored = std::ranges::any_of(entry.slices, [&](const Slice& slice) {
      return slice.dim == piece.dim && slice.range.begin == piece.range.begin &&
             slice.range.end == piece.range.end;
    });
    if (stored && piece.values.is_cpu() && piece.values.is_contiguous()) {
      read_region_into(entry, piece.dim, piece.range, piece.begin, piece.values);
      continue;
    }
    if (stored) {
      piece.values.copy_(read_region(entry, piece.dim, piece.range, piece.begin, end));
      continue;
    }
    if (!whole.defined()) whole = read(target.name);
    const at::Tensor region =
        piece.dim < 0 ? whole : whole.narrow(piece.dim, piece.range.begin, piece.range.size()).contiguous();
    piece.values.copy_(region.view({-1}).narrow(0, piece.begin, piece.values.numel()));
  }
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
