#pragma once

#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/geo/image.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {

/// A test of a source with an empty folder of its own, removed afterwards.
class SourceTest : public testing::ScratchTest {
 protected:
  static std::filesystem::path source_root() {
    const char* source = std::getenv("TERRAMILL_SOURCE_DIR");
    return source != nullptr ? source : ".";
  }
  static std::filesystem::path shared() {
    if (const char* folder = std::getenv("TERRAMILL_SHARED")) return folder;
    return source_root() / ".." / "shared";
  }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }

  static geo::Grid utm(int width, int height, double pixel = 10, double x = 500000, double y = 5000000) {
    return {width, height, {x, pixel, 0, y, 0, -pixel}, "EPSG:32633"};
  }

  /// Writes bands whose pixels are `value(band, row, column)`.
  template <typename T = std::uint16_t>
  void raster(const std::string& name, const geo::Grid& grid, int bands,
              const std::function<double(int, int, int)>& value) const {
    std::vector<T> values;
    for (int band = 0; band < bands; ++band) {
      for (int row = 0; row < grid.height; ++row) {
        for (int column = 0; column < grid.width; ++column)
          values.push_back(static_cast<T>(value(band, row, column)));
      }
    }
    std::filesystem::create_directories((folder_ / name).parent_path());
    geo::write_geotiff<T>(folder_ / name, grid, values);
  }

  template <typename T>
  static std::vector<T> values(const Source& source, const Tile& tile, const std::string& modality) {
    const auto& bytes = tile.values.at(static_cast<std::size_t>(source.schema().index_of(modality)));
    std::vector<T> typed(bytes.size() / sizeof(T));
    std::memcpy(typed.data(), bytes.data(), bytes.size());
    return typed;
  }

  static bool present(const Source& source, const Tile& tile, const std::string& modality) {
    return (tile.record.present >> source.schema().index_of(modality) & 1u) != 0;
  }

  /// The text of the error of type E that `work` throws; a failure when it throws none.
  template <typename E>
  static std::string error_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const E& error) {
      return error.what();
    } catch (const std::exception& other) {
      ADD_FAILURE() << "another error: " << other.what();
      return "";
    }
    ADD_FAILURE() << "no error";
    return "";
  }
};

}  // namespace terramill::corpus
