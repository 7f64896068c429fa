#include <terramill/corpus/info.hpp>

#include <spdlog/fmt/fmt.h>

namespace terramill::corpus {
namespace {

std::string counts_of(const Json& counts) {
  std::string text;
  for (const auto& [name, count] : counts.items()) {
    if (count.get<std::uint64_t>() > 0) text += (text.empty() ? "" : ", ") + name + " " + count.dump();
  }
  return text.empty() ? "none" : text;
}

std::string head_of(const Json& json) {
  const double stored = json.at("stored_bytes"), decoded = json.at("decoded_bytes");
  const Json& schema = json.at("schema");
  std::string text;
  if (json.at("synthetic")) text += "synthetic: no tile shows a real place\n";
  if (json.at("reference"))
    text += "built like the official converter, with its faults (--compat reference)\n";
  text += fmt::format("schema       {}, {} x {} pixels\n", schema.at("name").get<std::string>(),
                      schema.at("height").get<int>(), schema.at("width").get<int>());
  text += fmt::format("tiles        {}; {} quarantined\n", json.at("tiles").get<std::uint64_t>(),
                      json.at("quarantined").get<std::uint64_t>());
  for (const auto& [reason, count] : json.at("quarantine_reasons").items()) {
    text += fmt::format("               {}  {}\n", count.get<std::uint64_t>(), reason);
  }
  if (json.at("index_only")) return text + "shards       none: an index for sampling at scale\n";
  const Json& codec = json.at("codec");
  text += fmt::format("shards       {} of up to {} candidates, {:.1f} MB; {:.1f} MB decoded, ratio {:.2f}\n",
                      json.at("shards").get<std::uint64_t>(), json.at("shard_tiles").get<std::uint64_t>(),
                      stored / 1e6, decoded / 1e6, stored > 0 ? decoded / stored : 0);
  text += fmt::format("codec        {}, level {} ({})\n", codec.at("name").get<std::string>(),
                      codec.at("level").get<int>(), codec.at("library").get<std::string>());
  return text;
}

}  // namespace

std::string to_text(const Json& json) {
  std::string text = head_of(json);
  text += fmt::format("content      {}\n", json.at("content").get<std::string>());
  text += fmt::format("splits       {}\n", counts_of(json.at("splits")));
  text += fmt::format("Sentinel-2   {}\n", counts_of(json.at("s2_types")));
  const Json& dates = json.at("dates");
  if (!dates.at(0).get<std::string>().empty()) {
    text += fmt::format("dates        {} to {}\n", dates.at(0).get<std::string>(),
                        dates.at(1).get<std::string>());
  }
  if (const Json& extent = json.at("extent"); !extent.is_null()) {
    text += fmt::format("extent       {:.3f} to {:.3f} degrees east, {:.3f} to {:.3f} degrees north\n",
                        extent.at("west").get<double>(), extent.at("east").get<double>(),
                        extent.at("south").get<double>(), extent.at("north").get<double>());
  }
  if (!json.at("biomes").empty()) text += fmt::format("biomes       {}\n", counts_of(json.at("biomes")));
  if (!json.at("labels").empty()) text += fmt::format("labels       {}\n", counts_of(json.at("labels")));
  text +=
      fmt::format("\n  {:<22} {:<8} {:<12} {:>8} {:>12}\n", "modality", "dtype", "kind", "channels", "tiles");
  for (const Json& modality : json.at("modalities")) {
    text += fmt::format("  {:<22} {:<8} {:<12} {:>8} {:>12}\n", modality.at("name").get<std::string>(),
                        modality.at("dtype").get<std::string>(), modality.at("kind").get<std::string>(),
                        modality.at("channels").get<int>(), modality.at("tiles").get<std::uint64_t>());
  }
  text += fmt::format("\n  {:<28} {:>14} {:>8}\n", "land cover", "pixels", "share");
  for (const Json& cover : json.at("land_cover")) {
    text += fmt::format("  {:<28} {:>14} {:>7.2f}%\n", cover.at("name").get<std::string>(),
                        cover.at("pixels").get<std::uint64_t>(), 100 * cover.at("share").get<double>());
  }
  return text;
}

}  // namespace terramill::corpus
