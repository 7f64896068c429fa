#pragma once

#include "geotiff_labels.hpp"
#include "geotiff_mapping.hpp"
#include "geotiff_offset.hpp"
#include "geotiff_places.hpp"
#include "geotiff_reader.hpp"

#include <terramill/corpus/source.hpp>
#include <terramill/geo/grid.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Any rasters, as an INI describes them (data-prep/*.ini). Candidates are the places, sorted by id; with
/// `cut = yes` each place gives its tiles row by row, and what remains at the right and lower edge is left.
class GeotiffSource final : public Source {
 public:
  /// Lists the files.
  explicit GeotiffSource(const SourceOptions& options);
  /// Lists the candidates, before anything else is asked. Collective, where ranks share the reading of
  /// headers.
  void list_candidates(const mpi::Communicator* comm);

  const Schema& schema() const override { return mapping_.schema; }
  std::uint64_t candidates() const override { return candidates_.size(); }
  Expected<Tile, TileFault> load(std::uint64_t i) const override;
  Json describe() const override;
  std::optional<std::uint64_t> files_xxh3() const override { return files_xxh3_; }

 private:
  struct Candidate {
    std::uint32_t place;
    std::int32_t row, column;
    bool cut;  ///< one of several tiles of its place
  };
  struct Located {
    std::string file;
    geo::Grid grid;
    geo::Box box;  ///< its surroundings
  };
  /// The tile being filled: its place's grid and its window.
  struct Target {
    geo::Grid whole;
    geo::Window window;
  };

  std::uint64_t hash_files() const;
  void read_candidates(const mpi::Communicator* comm);
  void count_tiles(std::uint32_t begin, std::uint32_t end, std::span<std::int32_t> counts) const;
  std::string id_of(const Candidate& candidate) const;
  Expected<Target, geo::RasterFault> target_of(const Candidate& candidate, PlaceRasters& rasters) const;
  /// Reads the modality of a slot into the tile; true when it has a valid pixel there.
  Expected<bool, geo::RasterFault> fill(std::size_t place, std::size_t slot, const Target& target,
                                        PlaceRasters& rasters, Tile& tile) const;
  /// The rasters of a slot that overlap `part`, found by position.
  std::vector<const Located*> rasters_at(std::size_t slot, const geo::Grid& part) const;
  Expected<bool, geo::RasterFault> fill_by_position(std::size_t slot, const Target& target, Tile& tile) const;
  std::optional<geo::RasterFault> read_cloud(const Target& target, PlaceRasters& rasters, Tile& tile) const;
  void complete_record(const Place& place, const Target& target, Tile& tile) const;

  SourceOptions options_;
  Mapping mapping_;
  std::vector<Place> places_;
  Labels labels_;
  Offsets offsets_;
  std::vector<std::vector<Located>> located_;  ///< per mapped modality, where it is found by position
  std::vector<Candidate> candidates_;
  std::uint64_t files_xxh3_ = 0;
};

}  // namespace terramill::corpus
