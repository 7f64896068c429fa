#include "sampling_record.hpp"

#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace terramill::train {

namespace {

constexpr std::uint64_t kMostPositions = 20000;
constexpr std::uint64_t kBlock = 1 << 20;  // rows read at once
constexpr double kPlaces = 1e4;            // of a degree that a map can show

double rounded(double degrees) { return std::round(degrees * kPlaces) / kPlaces; }

/// Places of tiles, by index rows in any order.
Json places_of(const std::filesystem::path& corpus, std::vector<std::uint64_t> rows) {
  std::sort(rows.begin(), rows.end());
  const corpus::IndexReader index(corpus / "index.h5");
  Json places = Json::array();
  for (std::size_t i = 0; i < rows.size();) {
    const std::uint64_t begin = rows[i], count = std::min(kBlock, index.rows() - begin);
    const auto columns = index.read(begin, count, corpus::kLonLat);
    for (; i < rows.size() && rows[i] < begin + count; ++i) {
      const double lon = columns.lon[rows[i] - begin], lat = columns.lat[rows[i] - begin];
      if (std::isfinite(lon) && std::isfinite(lat)) places.push_back({rounded(lon), rounded(lat)});
    }
  }
  return places;
}

}  // namespace

void write_sampling_record(const mpi::Communicator& comm, const std::filesystem::path& run,
                           const std::filesystem::path& corpus, const corpus::Manifest& manifest,
                           const sampling::Plan& plan) {
  std::vector<std::uint64_t> positions;
  if (comm.rank() == 0) {
    const std::uint64_t wanted = std::min(kMostPositions, plan.tiles);
    for (std::uint64_t i = 0; i < wanted; ++i) positions.push_back(i * plan.tiles / wanted);
  }
  const std::vector<sampling::PlanEntry> entries = sampling::fetch(comm, plan, positions);
  if (comm.rank() != 0) return;

  std::vector<std::uint64_t> first_row{0};
  for (const corpus::ShardEntry& shard : manifest.shards) first_row.push_back(first_row.back() + shard.tiles);
  std::vector<std::uint64_t> rows;
  for (const sampling::PlanEntry& entry : entries) rows.push_back(first_row.at(entry.shard) + entry.row);
  Json names = Json::array();
  for (const geo::LandCoverClass& entry : geo::land_cover_classes()) names.push_back(std::string(entry.name));
  write_file_durably(run / "sampling.json", dump_json({{"tiles", plan.tiles},
                                                       {"class_names", names},
                                                       {"classes_before", plan.classes_before},
                                                       {"classes_after", plan.classes_after},
                                                       {"positions", places_of(corpus, std::move(rows))}}) +
                                                "\n");
}

}  // namespace terramill::train
