#include "geotiff_source.hpp"

#include "image_level.hpp"
#include "spatial_split.hpp"
#include "tile_values.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/thread_pool.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/mpi/meeting.hpp>

#include <algorithm>
#include <cmath>
#include <future>
#include <limits>
#include <thread>

namespace terramill::corpus {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

std::string size_text(const geo::Grid& grid) {
  return std::to_string(grid.width) + "x" + std::to_string(grid.height);
}

}  // namespace

GeotiffSource::GeotiffSource(const SourceOptions& options)
    : options_(options),
      mapping_(read_mapping(options)),
      places_(find_places(mapping_)),
      labels_(mapping_, places_),
      offsets_(mapping_, places_.size()),
      located_(mapping_.modalities.size()) {
  for (std::size_t slot = 0; slot < mapping_.modalities.size(); ++slot) {
    const MappedModality& mapped = mapping_.modalities[slot];
    if (!mapped.by_position) continue;
    for (const std::string& file : find_by_position(mapping_, mapped)) {
      const auto raster = geo::Raster::open(mapping_.root / file);
      if (!raster)
        throw FormatError(raster.error().reason, {"look for rasters", (mapping_.root / file).string(), ""});
      located_[slot].push_back({file, raster->grid(), geo::surroundings(raster->grid())});
    }
  }
}

void GeotiffSource::list_candidates(const mpi::Communicator* comm) {
  read_candidates(comm);
  files_xxh3_ = hash_files();
}

std::uint64_t GeotiffSource::hash_files() const {
  Xxh3 hash;
  const auto add = [&](const std::string& text) {
    hash.update_u64(text.size());
    hash.update(text);
  };
  for (const Place& place : places_) {
    add(place.id);
    for (const auto& files : place.files) {
      hash.update_u64(files.size());
      std::ranges::for_each(files, add);
    }
    hash.update_u64(place.dangling ? 1 : 0);
  }
  for (const auto& rasters : located_) {
    hash.update_u64(rasters.size());
    for (const Located& raster : rasters) add(raster.file);
  }
  for (const Candidate& tile : candidates_) {
    hash.update_u64(tile.place);
    hash.update_u64(static_cast<std::uint64_t>(tile.row));
    hash.update_u64(static_cast<std::uint64_t>(tile.column));
  }
  return hash.digest();
}

/// Rows and columns of tiles of the places [begin, end) into `counts`, two numbers each. Headers are read by
/// a few threads, since this waits for disks.
void GeotiffSource::count_tiles(std::uint32_t begin, std::uint32_t end,
                                std::span<std::int32_t> counts) const {
  constexpr std::uint32_t kBatch = 64;
  const int size = mapping_.schema.height;
  ThreadPool pool(static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 8u)));
  std::vector<std::future<void>> batches;
  for (std::uint32_t first = begin; first < end; first += kBatch) {
    batches.push_back(pool.submit([=, this] {
      for (std::uint32_t place = first; place < std::min(first + kBatch, end); ++place) {
        const auto grid = PlaceRasters(mapping_, places_[place]).grid();
        beat();
        if (!grid) continue;
        counts[2 * std::size_t{place}] = grid->height / size;
        counts[2 * std::size_t{place} + 1] = grid->width / size;
      }
    }));
  }
  for (auto& batch : batches) batch.get();
}

/// How many tiles a place gives needs its raster's size: each rank reads the headers of its share of places.
void GeotiffSource::read_candidates(const mpi::Communicator* comm) {
  const auto place_count = static_cast<std::uint32_t>(places_.size());
  if (!mapping_.cut) {
    for (std::uint32_t place = 0; place < place_count; ++place) candidates_.push_back({place, 0, 0, false});
    return;
  }
  std::vector<std::int32_t> counts(2 * places_.size());
  if (comm == nullptr) {
    count_tiles(0, place_count, counts);
  } else {
    mpi::require_agreement(*comm, {{"input files", to_hex(hash_files())}}, "files of the input");
    const auto share = [&](int rank) {
      return static_cast<std::uint32_t>(std::uint64_t{place_count} * static_cast<std::uint64_t>(rank) /
                                        static_cast<std::uint64_t>(comm->size()));
    };
    mpi::all_or_none(*comm, [&] {
      mpi::work_and_meet(*comm, [&] { count_tiles(share(comm->rank()), share(comm->rank() + 1), counts); });
    });
    comm->sum(std::span(counts));
  }
  for (std::uint32_t place = 0; place < place_count; ++place) {
    const std::int32_t rows = counts[2 * std::size_t{place}], columns = counts[2 * std::size_t{place} + 1];
    // A place that cannot be read or is too small stays a candidate, so that its fault is reported.
    if (rows * columns <= 1) candidates_.push_back({place, 0, 0, false});
    for (int tile = 0; rows * columns > 1 && tile < rows * columns; ++tile) {
      candidates_.push_back({place, tile / columns, tile % columns, true});
    }
  }
}

std::string GeotiffSource::id_of(const Candidate& candidate) const {
  const std::string& id = places_[candidate.place].id;
  if (!candidate.cut) return id;
  return id + "_r" + std::to_string(candidate.row) + "_c" + std::to_string(candidate.column);
}

Expected<Tile, TileFault> GeotiffSource::load(std::uint64_t i) const {
  const Candidate& candidate = candidates_[i];
  const Place& place = places_[candidate.place];
  PlaceRasters rasters(mapping_, place);
  Tile tile;
  tile.record.tile_id = id_of(candidate);
  const auto refuse = [&](const geo::RasterFault& fault) {
    return Unexpected(TileFault{tile.record.tile_id, fault.file, fault.reason});
  };
  const auto target = target_of(candidate, rasters);
  if (!target) return refuse(target.error());
  fill_absent(mapping_.schema, tile);
  for (std::size_t slot = 0; slot < mapping_.modalities.size(); ++slot) {
    const MappedModality& mapped = mapping_.modalities[slot];
    Expected<bool, geo::RasterFault> any = false;
    if (mapped.by_position) {
      any = fill_by_position(slot, *target, tile);
    } else if (rasters.has(slot)) {
      any = fill(candidate.place, slot, *target, rasters, tile);
    }
    if (!any) return refuse(any.error());
    // What has no no-data value looks valid also where nothing was read.
    if (*any) mark_present(mapping_.schema, mapped.index, tile);
    if (mapped.required && (tile.record.present >> mapped.index & 1u) == 0) {
      return refuse({mapped.files->text(), "has no data here, but [" + mapped.section + "] is required"});
    }
  }
  if (const auto fault = read_cloud(*target, rasters, tile)) return refuse(*fault);
  complete_record(place, *target, tile);
  if (const auto reason = labels_.label(place, tile.record)) return refuse({place.label_file, *reason});
  return tile;
}

Expected<GeotiffSource::Target, geo::RasterFault> GeotiffSource::target_of(const Candidate& candidate,
                                                                           PlaceRasters& rasters) const {
  const auto grid = rasters.grid();
  if (!grid) return Unexpected(grid.error());
  const int size = mapping_.schema.height;
  const geo::Window window{candidate.column * size, candidate.row * size, size, size};
  const bool fits = window.column + size <= grid->width && window.row + size <= grid->height;
  if (mapping_.cut ? fits : grid->width == size && grid->height == size) return Target{*grid, window};
  std::string file;
  for (const auto& files : rasters.place().files) {
    if (file.empty() && !files.empty()) file = files.front();
  }
  return Unexpected(geo::RasterFault{file, "is " + size_text(*grid) + " pixels where tiles are " +
                                               std::to_string(size) + "x" + std::to_string(size) +
                                               (fits ? "; cut = yes would cut it" : "")});
}

Expected<bool, geo::RasterFault> GeotiffSource::fill(std::size_t place, std::size_t slot,
                                                     const Target& target, PlaceRasters& rasters,
                                                     Tile& tile) const {
  const auto offset = offsets_.of(place, slot, rasters);
  if (!offset) return Unexpected(offset.error());
  return read_modality(mapping_, slot, *offset, target.whole, target.window, rasters, tile);
}

std::vector<const GeotiffSource::Located*> GeotiffSource::rasters_at(std::size_t slot,
                                                                     const geo::Grid& part) const {
  // The exact test projects points for each raster, so most are ruled out before.
  const geo::Box box = geo::surroundings(part);
  std::vector<const Located*> found;
  for (const Located& located : located_[slot]) {
    if (box.touches(located.box) && geo::overlaps(part, located.grid)) found.push_back(&located);
  }
  return found;
}

Expected<bool, geo::RasterFault> GeotiffSource::fill_by_position(std::size_t slot, const Target& target,
                                                                 Tile& tile) const {
  const MappedModality& mapped = mapping_.modalities[slot];
  const Modality& modality = mapping_.schema.modalities[mapped.index];
  const auto& window = target.window;
  const geo::Grid part = target.whole.window(window.column, window.row, window.width, window.height);
  const std::size_t area = mapping_.schema.elements(modality) / modality.bands.size();
  std::vector<float> plane(area);
  const auto rasters = rasters_at(slot, part);
  bool any = false;
  for (std::size_t band = 0; band < mapped.bands.size(); ++band) {
    if (mapped.bands[band].channel < 0) continue;
    std::vector<float> joined(area, kMissing);
    std::string last;
    for (const Located* located : rasters) {
      const auto raster = geo::Raster::open(mapping_.root / located->file);
      if (!raster) {
        refuse_if_gone(raster.error());
        return Unexpected(geo::RasterFault{located->file, raster.error().reason});
      }
      const int number = place_of_band(mapped, band).band;
      if (auto fault = read_plane(mapping_, mapped, *raster, number, target.whole, window, plane))
        return Unexpected(std::move(*fault));
      last = located->file;
      for (std::size_t pixel = 0; pixel < area; ++pixel) {
        if (std::isnan(joined[pixel])) joined[pixel] = plane[pixel];
      }
    }
    if (const auto reason = convert_plane(mapping_, mapped, 0, joined))
      return Unexpected(geo::RasterFault{last, *reason});
    any = any || any_valid(joined);
    const auto channel = static_cast<std::size_t>(mapped.bands[band].channel);
    store_values(modality, joined, channel * area, Cast::kNearest, tile.values[mapped.index]);
  }
  return any;
}

std::optional<geo::RasterFault> GeotiffSource::read_cloud(const Target& target, PlaceRasters& rasters,
                                                          Tile& tile) const {
  const std::size_t slot = mapping_.modalities.size();
  if (!mapping_.cloud || !rasters.has(slot)) return std::nullopt;
  const auto raster = rasters.open(slot, 0);
  if (!raster) return raster.error();
  std::vector<float> mask(static_cast<std::size_t>(target.window.width) *
                          static_cast<std::size_t>(target.window.height));
  MappedModality plain = *mapping_.cloud;
  plain.no_data = std::numeric_limits<double>::quiet_NaN();  // 0 says "clear" here
  if (auto fault = read_plane(mapping_, plain, **raster, 1, target.whole, target.window, mask)) return fault;
  std::size_t known = 0, cloudy = 0;
  for (const float value : mask) {
    if (std::isnan(value)) continue;
    ++known;
    cloudy += std::ranges::count(mapping_.cloudy, static_cast<int>(value)) > 0 ? 1 : 0;
  }
  if (known > 0)
    tile.record.cloud = static_cast<float>(100.0 * static_cast<double>(cloudy) / static_cast<double>(known));
  return std::nullopt;
}

void GeotiffSource::complete_record(const Place& place, const Target& target, Tile& tile) const {
  const Schema& schema = mapping_.schema;
  TileRecord& record = tile.record;
  const auto& window = target.window;
  const geo::Grid grid = target.whole.window(window.column, window.row, window.width, window.height);
  const geo::LonLat center = geo::center_of(grid);
  record.lon = center.lon;
  record.lat = center.lat;
  record.crs = grid.crs;
  if (target.whole.georeferenced()) record.transform = grid.transform;
  record.date = place.date;
  record.s2_type = mapping_.s2_type;
  const auto present = [&](std::string_view modality) {
    const int index = schema.index_of(modality);
    return index >= 0 && (record.present >> index & 1u) != 0;
  };
  if (present("s2_l1c")) record.s2_type = S2Type::kL1C;
  if (present("s2_l2a")) record.s2_type = S2Type::kL2A;
  const int cover = std::max(schema.index_of("land_cover"), schema.index_of("esa_worldcover"));
  count_land_cover(tile.values[static_cast<std::size_t>(cover)], record);
  if (schema.index_of("lat") >= 0 && std::isfinite(record.lat)) store_location(schema, tile);
  if (schema.index_of("month") >= 0 && !record.date.empty())
    store_month(schema, std::stoi(record.date.substr(5, 2)), tile);
  record.split = split_of(record.lon, record.lat, record.tile_id, options_);
}

Json GeotiffSource::describe() const {
  Json json;
  json["kind"] = "geotiff";
  json["mapping"] = mapping_.settings;
  json["candidates"] = candidates();
  json["places"] = places_.size();
  json["schema"] = mapping_.schema.name;
  json["tile_size"] = mapping_.schema.height;
  json["split"] = describe_split(options_);
  json["label_names"] = labels_.names();
  return json;
}

}  // namespace terramill::corpus
