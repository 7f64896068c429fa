#include "share.hpp"

#include "layout.hpp"

#include <terramill/checkpoint/safetensors.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <span>
#include <utility>

namespace terramill::checkpoint {

namespace {

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

}  // namespace

Json write_share(const Snapshot& snapshot, const std::filesystem::path& directory, bool durable) {
  Json share = {{"file", nullptr}, {"slices", Json::array()}};
  if (snapshot.parts().empty()) return share;
  const PhaseTimer writes(Phase::kCheckpoint);
  const trace::Span span("checkpoint write", "checkpoint");
  const std::filesystem::path path = directory / rank_file_name(snapshot.rank());
  std::vector<TensorSpec> specs;
  for (const Snapshot::Part& part : snapshot.parts()) {
    const Snapshot::Global& global = snapshot.globals()[part.tensor];
    std::int64_t count = 1;
    for (const std::int64_t extent : global.shape) count *= extent;
    const at::Tensor& values = part.piece.values;
    specs.push_back({part.stored_as, dtype_of(values.scalar_type()),
                     values.numel() == count ? global.shape : std::vector<std::int64_t>{values.numel()}});
  }
  SafetensorsWriter writer(path, std::move(specs),
                           {{"format", "pt"}, {"step", std::to_string(snapshot.step())}}, durable);
  for (const Snapshot::Part& part : snapshot.parts()) {
    const auto [offset, hash] = writer.write(part.stored_as, bytes_of(part.piece.values));
    share["slices"].push_back({{"tensor", part.tensor},
                               {"file", path.filename().string()},
                               {"offset", offset},
                               {"xxh3", to_hex(hash)},
                               {"begin", part.piece.begin},
                               {"end", part.piece.begin + part.piece.values.numel()}});
    if (part.piece.dim >= 0) {
      share["slices"].back()["region"] = {
          {"dim", part.piece.dim}, {"begin", part.piece.range.begin}, {"end", part.piece.range.end}};
    }
  }
  writer.finish();
  share["file"] = {{"name", path.filename().string()},
                   {"bytes", writer.file_size()},
                   {"header_bytes", writer.header_size()},
                   {"header_xxh3", to_hex(writer.header_hash())}};
  return share;
}

Json head_of(const Snapshot& snapshot) {
  Json tensors = Json::array();
  for (const Snapshot::Global& global : snapshot.globals()) {
    tensors.push_back(
        {{"name", global.name}, {"dtype", global.dtype}, {"shape", global.shape}, {"slices", Json::array()}});
  }
  return {{"format", "terramill-checkpoint"}, {"version", 2},
          {"step", snapshot.step()},          {"ranks", snapshot.ranks()},
          {"meta", snapshot.meta()},          {"files", Json::array()},
          {"tensors", std::move(tensors)}};
}

std::string index_of(Json head, const std::vector<std::string>& shares) {
  for (const std::string& text : shares) {
    Json share = parse_json(text, "a rank's share of a checkpoint");
    if (!share["file"].is_null()) head["files"].push_back(share["file"]);
    for (Json& slice : share["slices"]) {
      const auto tensor = slice["tensor"].get<std::size_t>();
      slice.erase("tensor");
      head["tensors"][tensor]["slices"].push_back(std::move(slice));
    }
  }
  return seal(std::move(head));
}

}  // namespace terramill::checkpoint
