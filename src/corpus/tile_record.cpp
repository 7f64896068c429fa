#include "tile_record.hpp"

namespace terramill::corpus {

void put_record(ByteWriter& out, const TileRecord& record) {
  out.put_text(record.tile_id);
  out.put(record.lon);
  out.put(record.lat);
  out.put_text(record.crs);
  out.put(record.transform);
  out.put_text(record.date);
  out.put(record.s2_type);
  out.put(record.biome);
  out.put(record.eco_region);
  out.put(record.land_cover);
  out.put(record.present);
  out.put(record.cloud);
  out.put(record.label);
  out.put(record.label_bits);
  out.put(record.split);
}

TileRecord get_record(ByteReader& in) {
  TileRecord record;
  record.tile_id = in.get_text();
  record.lon = in.get<double>();
  record.lat = in.get<double>();
  record.crs = in.get_text();
  record.transform = in.get<decltype(record.transform)>();
  record.date = in.get_text();
  record.s2_type = in.get<S2Type>();
  record.biome = in.get<std::int16_t>();
  record.eco_region = in.get<std::int16_t>();
  record.land_cover = in.get<decltype(record.land_cover)>();
  record.present = in.get<std::uint32_t>();
  record.cloud = in.get<float>();
  record.label = in.get<std::int32_t>();
  record.label_bits = in.get<std::uint64_t>();
  record.split = in.get<Split>();
  return record;
}

}  // namespace terramill::corpus
