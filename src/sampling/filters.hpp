#pragma once

#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::sampling {

/// The filters that the options ask for, in the order in which a tile meets them: split, region, dates,
/// months, biomes, cloud, modalities.
class Filters {
 public:
  /// `region_text`: what the region's GeoJSON file holds. UsageError for a value that cannot be right.
  Filters(const SamplingOptions& options, const corpus::Schema& schema, std::string_view region_text);

  /// Columns of the index that they look at.
  std::uint32_t columns() const noexcept;
  std::size_t size() const noexcept { return filters_.size(); }
  /// The first that refuses row i of the block; size() where the tile passes all.
  std::size_t first_refusal(const corpus::IndexColumns& block, std::size_t i) const;
  /// Their names, with the counts given: one more than filters, as `Rows::passed` (rows.hpp).
  std::vector<FilterStep> steps(const std::vector<std::uint64_t>& passed) const;

 private:
  struct Filter {
    std::string name, phrase;
    std::uint32_t columns;
    std::function<bool(const corpus::IndexColumns&, std::size_t)> passes;
  };
  void add_split(const SamplingOptions& options);
  void add_region(const SamplingOptions& options, std::string_view text);
  void add_dates(const SamplingOptions& options);
  void add_biomes(const SamplingOptions& options);
  void add_cloud(const SamplingOptions& options);
  void add_modalities(const SamplingOptions& options, const corpus::Schema& schema);

  std::vector<Filter> filters_;
};

/// Whether the region is a GeoJSON file rather than a box or nothing.
bool region_is_file(const SamplingOptions& options);
/// UsageError, naming the option, for a filter's value that is out of its range. Files are not looked at.
void check_filters(const SamplingOptions& options);
/// UsageError that says how many of the corpus's `in_index` tiles passed each filter, where none passed all.
[[noreturn]] void refuse_nothing(std::uint64_t in_index, const std::vector<FilterStep>& filters);
/// The text of the region's GeoJSON file as rank 0 reads it, on every rank; empty where there is none.
/// UsageError on every rank when it cannot be read. Collective.
std::string read_region(const mpi::Communicator& comm, const SamplingOptions& options);

}  // namespace terramill::sampling
