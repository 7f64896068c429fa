#pragma once

#include "source_folder.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace terramill::corpus {

/// A test of a geotiff source.
class GeotiffTest : public SourceTest {
 protected:
  std::unique_ptr<Source> open(const std::string& ini, int tile_size = 0) const {
    SourceOptions options;
    options.kind = "geotiff";
    options.input = folder_;
    options.mapping = write("mapping.ini", ini);
    options.tile_size = tile_size;
    return open_source(options);
  }
  static std::string source(const std::string& more = "", int size = 4) {
    return "[source]\nschema = majortom\ntile_size = " + std::to_string(size) + "\n" + more + "\n";
  }
  static std::string radar(const std::string& more = "") {
    return "[modality.s1_rtc]\nfiles = s1/{id}.tif\nbands = VH, VV\n" + more + "\n";
  }
  /// Expects the reason for which candidate i is refused to contain `words`.
  static void expect_fault(const Source& source, std::uint64_t i, const std::string& file,
                           const std::string& words) {
    const auto loaded = source.load(i);
    ASSERT_FALSE(loaded) << words;
    EXPECT_EQ(loaded.error().file, file);
    EXPECT_NE(loaded.error().reason.find(words), std::string::npos) << loaded.error().reason;
  }
};

}  // namespace terramill::corpus
