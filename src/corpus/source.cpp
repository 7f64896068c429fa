#include "geotiff_source.hpp"
#include "mmearth_source.hpp"
#include "spatial_split.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/mpi/meeting.hpp>

namespace terramill::corpus {
namespace {

/// A source of type S. Ranks that open it together wait for the slowest of them.
template <typename S>
std::unique_ptr<S> look_at_input(const SourceOptions& options, const mpi::Communicator* comm) {
  if (comm == nullptr) return std::make_unique<S>(options);
  std::unique_ptr<S> source;
  mpi::all_or_none(*comm, [&] { mpi::work_and_meet(*comm, [&] { source = std::make_unique<S>(options); }); });
  return source;
}

}  // namespace

std::vector<std::string> source_kinds() { return {"mmearth-tiles", "geotiff"}; }

std::unique_ptr<Source> open_source(const SourceOptions& options, const mpi::Communicator* comm) {
  check_shares(options);
  if (options.tile_size < 0) {
    throw UsageError("a tile has a positive size",
                     {"open a source", "--tile-size " + std::to_string(options.tile_size), ""});
  }
  if (options.kind == "mmearth-tiles") return look_at_input<MmearthTilesSource>(options, comm);
  if (options.kind == "geotiff") {
    if (options.reference) {
      throw UsageError("only the source mmearth-tiles has a reference to follow",
                       {"open a geotiff source", "--compat reference", "leave --compat out"});
    }
    auto source = look_at_input<GeotiffSource>(options, comm);
    source->list_candidates(comm);
    return source;
  }
  const auto meant = nearest(options.kind, source_kinds());
  throw UsageError("\"" + options.kind + "\" is no kind of source",
                   {"open a source", "--source",
                    meant ? "did you mean " + *meant + "?" : "the kinds are mmearth-tiles and geotiff"});
}

}  // namespace terramill::corpus
