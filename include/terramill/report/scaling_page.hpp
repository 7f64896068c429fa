#pragma once

#include <terramill/core/json.hpp>
#include <terramill/report/scaling_fit.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// What a scaling experiment tells.
struct ScalingReport {
  std::vector<MeasuredLayout> layouts;
  std::optional<ScalingFit> fit;     ///< nothing where there are too few layouts
  std::vector<std::string> remarks;  ///< about the files and the fit
};

ScalingReport make_scaling_report(const ScalingPoints& points, const FitOptions& options);

/// Share of the device's peak that the model's operations reach: as recorded, or from the operations per
/// image and the recorded or published peak (parallel/data_sheet.hpp). Nothing where one of them is not
/// known.
std::optional<double> mfu_of(const MeasuredLayout& layout);

/// What `report --json` prints of a sweep: layouts, fit (null without), remarks. Times in seconds.
Json to_json(const ScalingReport& report);
/// The coefficients of a fit with their units in the keys, and its errors.
Json to_json(const ScalingFit& fit);

/// Writes the page: `output` itself where it ends in .html, else `output`/index.html with the charts beside
/// it. Sections, each left out where there is nothing to show: efficiency, shares, mfu, model, points.
/// Returns their ids. IoError when the page cannot be written.
std::vector<std::string> write_scaling_page(const ScalingReport& report, const std::filesystem::path& output);

}  // namespace terramill::report
