#include "filters.hpp"
#include "slices.hpp"

#include <terramill/core/hash.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>

namespace terramill::sampling {
namespace {

constexpr std::uint64_t kBlock = 1 << 16;

}  // namespace

Eligible find_eligible(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                       const SamplingOptions& options, bool none_is_fine) {
  corpus::Manifest manifest;
  mpi::all_or_none(comm, [&] { manifest = corpus::read_manifest(corpus); });
  validate(options, manifest.schema);
  const std::string region = read_region(comm, options);
  const Filters filters(options, manifest.schema, region);
  std::vector<std::uint64_t> own, passed(filters.size() + 1);
  mpi::all_or_none(comm, [&] {
    const corpus::IndexReader index(corpus / corpus::kIndexFile);
    const std::uint64_t begin = slice_begin(index.rows(), comm.size(), comm.rank());
    const std::uint64_t end = slice_begin(index.rows(), comm.size(), comm.rank() + 1);
    for (std::uint64_t at = begin; at < end; at += kBlock) {
      const auto block = index.read(at, std::min(kBlock, end - at), filters.columns());
      for (std::size_t i = 0; i < block.count; ++i) {
        const std::size_t refused_by = filters.first_refusal(block, i);
        for (std::size_t f = 0; f <= refused_by; ++f) ++passed[f];
        if (refused_by == filters.size()) own.push_back(at + i);
      }
    }
  });
  comm.sum(std::span(passed));
  Eligible eligible;
  eligible.filters = filters.steps(passed);
  if (!region.empty()) eligible.region_hash = xxh3(region);
  if (passed.back() == 0 && !none_is_fine) refuse_nothing(passed.front(), eligible.filters);
  eligible.rows = comm.all_gather(std::span<const std::uint64_t>(own));
  return eligible;
}

}  // namespace terramill::sampling
