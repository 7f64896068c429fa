#include <terramill/core/error.hpp>
#include <terramill/corpus/schema.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

TEST(Schema, SurvivesJson) {
  for (const Schema& schema : {mmearth_schema(64), mmearth_schema(128, true), majortom_schema(224)}) {
    const Json json = to_json(schema);
    // Strict JSON: a parser that knows no NaN and no Infinity reads it.
    const Schema again = schema_from_json(Json::parse(json.dump()), "test");
    EXPECT_EQ(to_json(again).dump(), json.dump());
    EXPECT_EQ(again.modalities.size(), schema.modalities.size());
  }
}

TEST(Schema, MmearthHasTheOfficialDatasets) {
  const Schema schema = mmearth_schema(64);
  const auto expect = [&](const char* name, int channels, DType type, bool pixel) {
    const Modality* modality = schema.find(name);
    ASSERT_NE(modality, nullptr) << name;
    EXPECT_EQ(modality->channels(), channels) << name;
    EXPECT_EQ(modality->dtype, type) << name;
    EXPECT_EQ(modality->pixel, pixel) << name;
  };
  expect("sentinel2", 13, DType::kUInt16, true);
  expect("sentinel2_cloudmask", 1, DType::kUInt16, true);
  expect("sentinel2_cloudprod", 1, DType::kUInt16, true);
  expect("sentinel2_scl", 1, DType::kUInt8, true);
  expect("sentinel1", 8, DType::kFloat32, true);
  expect("aster", 2, DType::kInt16, true);
  expect("canopy_height_eth", 2, DType::kInt8, true);
  expect("dynamic_world", 1, DType::kUInt8, true);
  expect("esa_worldcover", 1, DType::kUInt8, true);
  expect("era5", 12, DType::kFloat32, false);
  expect("lat", 2, DType::kFloat32, false);
  expect("lon", 2, DType::kFloat32, false);
  expect("month", 2, DType::kFloat32, false);
  expect("biome", 14, DType::kUInt8, false);
  expect("eco_region", 846, DType::kUInt16, false);
  EXPECT_EQ(schema.modalities.size(), 15u);
}

TEST(Schema, BandsGoByName) {
  const Schema schema = mmearth_schema(64);
  EXPECT_EQ(schema.find("sentinel2")->band_index("B8A"), 7);
  EXPECT_EQ(schema.find("sentinel2")->band_index("B8"), 8);
  EXPECT_EQ(schema.find("sentinel1")->band_index("desc_VV"), 4);
  EXPECT_EQ(schema.find("sentinel1")->band_index("VV"), -1);
  EXPECT_EQ(majortom_schema(10).find("s2_l2a")->band_index("B10"), -1);
  EXPECT_EQ(majortom_schema(10).find("s2_l1c")->band_index("B8A"), 8);
}

TEST(Schema, CanopyNoDataIsWhatTheFileHolds) {
  EXPECT_EQ(mmearth_schema(64).find("canopy_height_eth")->no_data, 127);
  EXPECT_EQ(mmearth_schema(64, true).find("canopy_height_eth")->no_data, 255);
}

TEST(Schema, UnknownTypesAreRefused) { EXPECT_THROW(dtype_from("float64"), FormatError); }

}  // namespace
}  // namespace terramill::corpus
