// The loader against what MMEarth's own Dataset returns for the same tiles (reader_expected*.safetensors),
// over a corpus built from the same raw folder with --compat reference. Every value is compared for equality.

#include "support/scratch.hpp"

#include <terramill/checkpoint/safetensors.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/loader/loader.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

namespace fs = std::filesystem;

fs::path shared() {
  if (const char* folder = std::getenv("TERRAMILL_SHARED")) return folder;
  const char* source = std::getenv("TERRAMILL_SOURCE_DIR");
  return fs::path(source != nullptr ? source : ".") / ".." / "shared";
}

/// The modalities of the reference's Dataset, as it gives them.
std::vector<Request> reference_requests() {
  std::vector<std::string> sentinel2;
  for (const std::string& band : corpus::mmearth_s2_bands()) {
    if (band != "B10") sentinel2.push_back(band);
  }
  return {{"sentinel2", sentinel2, Form::kNormalised},
          {"sentinel1", {}, Form::kNormalised},
          {"aster", {}, Form::kNormalised},
          {"era5", {}, Form::kNormalised},
          {"dynamic_world", {}, Form::kClassIndex},
          {"canopy_height_eth", {}, Form::kNormalised},
          {"lat", {}, Form::kNormalised},
          {"lon", {}, Form::kNormalised},
          {"biome", {}, Form::kOneHot},
          {"eco_region", {}, Form::kOneHot},
          {"month", {}, Form::kNormalised},
          {"esa_worldcover", {}, Form::kClassIndex}};
}

class ReferenceReader : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    official_ = shared() / "data" / "mmearth" / "official";
    if (!fs::exists(official_ / "reader_expected.json")) return;
    scratch_ = std::make_unique<testing::Scratch>();
    corpus::BuildOptions options;
    options.source.kind = "mmearth-tiles";
    options.source.input = shared() / "data" / "mmearth" / "raw" / "data_tiny_v001_64";
    options.source.tile_size = 64;
    options.source.reference = true;
    options.output = *scratch_ / "corpus";
    options.threads = 1;
    corpus::build(mpi::Communicator::world(), options);
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  void SetUp() override {
    if (!scratch_) GTEST_SKIP() << "no shared data at " << official_;
  }

  /// Compares every expected tensor that `file` has; returns how many.
  int compare(const std::string& mode, const std::vector<std::string>& files) {
    const Json expected = read_json(official_ / "reader_expected.json");
    LoaderOptions options;
    options.nodata_mode = mode;
    options.statistics = official_ / "data_tiny_v001_64" / "data_tiny_v001_64_band_stats.json";
    Loader loader(*scratch_ / "corpus", reference_requests(), options);
    const corpus::IndexReader index(*scratch_ / "corpus" / corpus::kIndexFile);
    int compared = 0;
    for (const Json& sample : expected.at("samples")) {
      const std::vector<std::uint64_t> rows = {sample.at("h5_row").get<std::uint64_t>()};
      EXPECT_EQ(index.read(rows[0], 1, corpus::kTileId).tile_id.front(),
                sample.at("tile_id").get<std::string>());
      const MicroBatch batch = loader.load_tiles(rows);
      const std::string prefix = sample.at("split").get<std::string>() + "." +
                                 std::to_string(sample.at("dataset_pos").get<int>()) + ".";
      for (std::size_t r = 0; r < batch.blocks.size(); ++r) {
        const std::string name = prefix + loader.requests()[r].modality;
        for (const std::string& file : files) {  // the first that has it counts
          const checkpoint::SafetensorsReader reader(official_ / file);
          if (reader.find(name) == nullptr) continue;
          compare_tensor(reader, name, batch.blocks[r]);
          ++compared;
          break;
        }
      }
    }
    return compared;
  }

  void compare_tensor(const checkpoint::SafetensorsReader& reader, const std::string& name,
                      const Block& block) {
    const auto bytes = reader.read(name);
    std::vector<std::int64_t> shape = {1};
    shape.insert(shape.end(), reader.at(name).shape.begin(), reader.at(name).shape.end());
    ASSERT_EQ(block.shape, shape) << name;
    std::size_t different = 0;
    if (block.integers.empty()) {
      std::vector<float> values(bytes.size() / sizeof(float));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      ASSERT_EQ(values.size(), block.floats.size()) << name;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const bool equal =
            values[i] == block.floats[i] || (std::isnan(values[i]) && std::isnan(block.floats[i]));
        different += equal ? 0 : 1;
      }
    } else {
      std::vector<std::int16_t> values(bytes.size() / sizeof(std::int16_t));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      ASSERT_EQ(values.size(), block.integers.size()) << name;
      for (std::size_t i = 0; i < values.size(); ++i) different += values[i] == block.integers[i] ? 0 : 1;
    }
    EXPECT_EQ(different, 0u) << name;
  }

  static inline fs::path official_;
  static inline std::unique_ptr<testing::Scratch> scratch_;
};

TEST_F(ReferenceReader, HeadIsModeV1ValueForValue) {
  EXPECT_EQ(compare("v1", {"reader_expected.safetensors"}), 96);
}

TEST_F(ReferenceReader, BeforeJanuary2026IsModeLegacyValueForValue) {
  EXPECT_EQ(compare("legacy", {"reader_expected_legacy.safetensors", "reader_expected.safetensors"}), 96);
}

}  // namespace
}  // namespace terramill::loader
