#pragma once

#include "source_folder.hpp"

#include <terramill/core/json.hpp>

#include <string>
#include <vector>

namespace terramill::corpus {

inline const std::vector<std::string> kL1C{"B1",  "B2", "B3", "B4",  "B5",  "B6",  "B7",
                                           "B8A", "B8", "B9", "B10", "B11", "B12", "QA60"};

/// A test of an mmearth-tiles source.
class MmearthTest : public SourceTest {
 protected:
  SourceOptions options(int tile_size = 4) const {
    SourceOptions options;
    options.kind = "mmearth-tiles";
    options.input = folder_;
    options.tile_size = tile_size;
    return options;
  }

  static Json entry() {
    Json json;
    json["S2_DATE"] = "2019-07-31";
    json["S2_type"] = "l1c";
    json["CRS"] = "EPSG:32633";
    json["lat"] = 45.0;
    json["lon"] = 15.0;
    json["biome"] = 3;
    json["eco_region"] = 845;
    json["BANDS"] = {{"sentinel2", kL1C},
                     {"sentinel1_asc", nullptr},
                     {"sentinel1_desc", {"VV", "VH"}},
                     {"aster", {"b1", "slope"}},
                     {"canopy_height_eth", {"height", "std"}},
                     {"esa_worldcover", {"Map"}}};
    json["era5"] = {{"month1", {1, 2, 3, nullptr}}, {"month2", {4, 5, 6, 7}}, {"year", {8, 9, 10, 11}}};
    return json;
  }
  /// 14 + 2 + 2 + 2 + 1 bands; band b holds 10 b + 0.6, and WorldCover 10.
  void tile(const std::string& id, int size = 6, int bands = 21) const {
    raster<float>("merged/" + id + ".tif", utm(size, size), bands,
                  [](int band, int, int) { return band == 20 ? 10 : 10 * band + 0.6; });
  }
  void table(const Json& entries) const { write("a_tile_info.json", dump_json(entries)); }
};

}  // namespace terramill::corpus
