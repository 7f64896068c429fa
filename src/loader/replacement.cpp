#include <terramill/core/hash.hpp>
#include <terramill/loader/loader.hpp>

namespace terramill::loader {
namespace {

Json entry_json(const sampling::PlanEntry& entry) {
  return {{"tile_key", to_hex(entry.tile_key)}, {"shard", entry.shard}, {"row", entry.row}};
}

sampling::PlanEntry entry_from(const Json& json, const std::string& origin) {
  return {from_hex(json_get<std::string>(json, "tile_key", origin)),
          json_get<std::uint32_t>(json, "shard", origin), json_get<std::uint32_t>(json, "row", origin)};
}

}  // namespace

Json to_json(const Replacement& replacement) {
  return {{"epoch", replacement.epoch},
          {"position", replacement.position},
          {"bad", entry_json(replacement.bad)},
          {"replacement", entry_json(replacement.replacement)},
          {"reason", replacement.reason}};
}

Replacement replacement_from_json(const Json& json, const std::string& origin) {
  return {json_get<std::uint64_t>(json, "epoch", origin), json_get<std::uint64_t>(json, "position", origin),
          entry_from(json_get<Json>(json, "bad", origin), origin),
          entry_from(json_get<Json>(json, "replacement", origin), origin),
          json_get<std::string>(json, "reason", origin)};
}

}  // namespace terramill::loader
