#include "filters.hpp"
#include "slices.hpp"

#include <terramill/core/hash.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>

namespace terramill::sampling {
namespace {

constexpr std::uint64_t kBlock = 1 << 16;

/// What passes, of which each rank holds the rows of its slice of the index.
struct Scan {
  std::vector<std::uint64_t> own;
  std::uint64_t rows = 0, tiles = 0;  ///< of the index; of them those that pass
  std::vector<FilterStep> filters;
  std::uint64_t region_hash = 0;
};

Scan scan_index(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                const SamplingOptions& options) {
  corpus::Manifest manifest;
  mpi::all_or_none(comm, [&] { manifest = corpus::read_manifest(corpus); });
  validate(options, manifest.schema);
  const std::string region = read_region(comm, options);
  const Filters filters(options, manifest.schema, region);
  Scan scan;
  std::vector<std::uint64_t> passed(filters.size() + 1);
  mpi::all_or_none(comm, [&] {
    const corpus::IndexReader index(corpus / corpus::kIndexFile);
    const std::uint64_t begin = slice_begin(index.rows(), comm.size(), comm.rank());
    const std::uint64_t end = slice_begin(index.rows(), comm.size(), comm.rank() + 1);
    for (std::uint64_t at = begin; at < end; at += kBlock) {
      const auto block = index.read(at, std::min(kBlock, end - at), filters.columns());
      for (std::size_t i = 0; i < block.count; ++i) {
        const std::size_t refused_by = filters.first_refusal(block, i);
        for (std::size_t f = 0; f <= refused_by; ++f) ++passed[f];
        if (refused_by == filters.size()) scan.own.push_back(at + i);
      }
    }
  });
  comm.sum(std::span(passed));
  scan.rows = passed.front();
  scan.tiles = passed.back();
  scan.filters = filters.steps(passed);
  if (!region.empty()) scan.region_hash = xxh3(region);
  return scan;
}

}  // namespace

Eligible find_eligible(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                       const SamplingOptions& options) {
  Scan scan = scan_index(comm, corpus, options);
  if (scan.tiles == 0) refuse_nothing(scan.rows, scan.filters);
  return {comm.all_gather(std::span<const std::uint64_t>(scan.own)), std::move(scan.filters),
          scan.region_hash};
}

std::uint64_t count_eligible(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                             const SamplingOptions& options) {
  return scan_index(comm, corpus, options).tiles;
}

}  // namespace terramill::sampling
