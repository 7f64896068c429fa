#include "geotiff_source.hpp"
#include "mmearth_source.hpp"
#include "spatial_split.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/source.hpp>

namespace terramill::corpus {

std::vector<std::string> source_kinds() { return {"mmearth-tiles", "geotiff"}; }

std::unique_ptr<Source> open_source(const SourceOptions& options, const mpi::Communicator* comm) {
  check_shares(options);
  if (options.tile_size < 0) {
    throw UsageError("a tile has a positive size",
                     {"open a source", "--tile-size " + std::to_string(options.tile_size), ""});
  }
  if (options.kind == "mmearth-tiles") return std::make_unique<MmearthTilesSource>(options);
  if (options.kind == "geotiff") {
    if (options.reference) {
      throw UsageError("only the source mmearth-tiles has a reference to follow",
                       {"open a geotiff source", "--compat reference", "leave --compat out"});
    }
    return std::make_unique<GeotiffSource>(options, comm);
  }
  const auto meant = nearest(options.kind, source_kinds());
  throw UsageError("\"" + options.kind + "\" is no kind of source",
                   {"open a source", "--source",
                    meant ? "did you mean " + *meant + "?" : "the kinds are mmearth-tiles and geotiff"});
}

}  // namespace terramill::corpus
