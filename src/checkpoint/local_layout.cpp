#include "local_layout.hpp"

#include "layout.hpp"

#include <terramill/checkpoint/safetensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

std::string with_extension(int rank, const char* extension) {
  return fs::path(rank_file_name(rank)).replace_extension(extension).string();
}

}  // namespace

std::string parity_file_name(int rank) { return with_extension(rank, ".parity"); }
std::string description_name(int rank) { return with_extension(rank, ".json"); }

std::optional<fs::path> file_of_share(const fs::path& folder, const Json& share) {
  const Json& file = share.at("file");
  if (file.is_null()) return std::nullopt;
  return folder / json_get<std::string>(file, "name", folder.string());
}

void verify_share(const fs::path& folder, const Json& share) {
  const auto path = file_of_share(folder, share);
  if (!path) return;
  const std::string origin = path->string();
  const ErrorContext context{"check a node-local checkpoint", origin, ""};
  const Json& about = share.at("file");
  const FileDescriptor file = FileDescriptor::open_read(*path);
  if (file.size() != json_get<std::uint64_t>(about, "bytes", origin))
    throw FormatError("the file has another size than it was written with", context);
  std::vector<std::byte> bytes(json_get<std::uint64_t>(about, "header_bytes", origin));
  const auto check = [&](std::uint64_t offset, const std::string& hash) {
    file.read_at(offset, bytes);
    if (xxh3(bytes) != from_hex(hash)) throw IntegrityError("the bytes disagree with their hash", context);
  };
  check(0, json_get<std::string>(about, "header_xxh3", origin));
  const SafetensorsReader reader(*path);
  std::map<std::uint64_t, std::uint64_t> lengths;
  for (const TensorInfo& tensor : reader.tensors()) lengths[tensor.offset] = tensor.bytes;
  for (const Json& slice : json_get<Json>(share, "slices", origin)) {
    const auto offset = json_get<std::uint64_t>(slice, "offset", origin);
    const auto tensor = lengths.find(offset);
    if (tensor == lengths.end()) throw FormatError("a slice is not where it was written", context);
    bytes.resize(tensor->second);
    check(offset, json_get<std::string>(slice, "xxh3", origin));
  }
}

}  // namespace terramill::checkpoint
