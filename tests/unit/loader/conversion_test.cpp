#include "loader/conversion.hpp"

#include <terramill/core/error.hpp>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

using corpus::S2Type;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Tiles of one pixel, so that a modality's values are its bands.
class Conversions : public testing::Test {
 protected:
  Conversions() : schema_(corpus::mmearth_schema(1)), reference_(corpus::mmearth_schema(1, true)) {
    for (const auto& modality : schema_.modalities) {
      if (modality.kind != corpus::Kind::kContinuous) continue;
      corpus::BandStatistics bands;
      for (std::size_t c = 0; c < modality.bands.size(); ++c) {
        bands.mean.push_back(10.0 + static_cast<double>(c));
        bands.std.push_back(3.0);
      }
      table_[modality.name] = bands;
    }
    for (const char* key : {"sentinel2_l2a", "sentinel2_l1c"}) table_[key] = table_["sentinel2"];
    table_["sentinel2_l1c"].mean.assign(13, 100.0);
    table_.erase("sentinel2");
  }

  template <typename T>
  std::vector<float> floats(const Request& request, NoDataMode mode, std::vector<T> values,
                            const corpus::Schema* schema = nullptr, S2Type type = S2Type::kL2A) {
    const Conversion conversion = resolve(request, schema ? *schema : schema_, table_, mode);
    values.resize(conversion.modality->bands.size());
    std::vector<float> out(conversion.out_elements(1));
    convert(conversion, std::as_bytes(std::span<const T>(values)), type, {}, 1,
            {.floats = out, .integers = {}});
    return out;
  }
  template <typename T>
  std::vector<std::int64_t> integers(const Request& request, NoDataMode mode, std::vector<T> values) {
    const Conversion conversion = resolve(request, schema_, table_, mode);
    values.resize(conversion.modality->bands.size());
    std::vector<std::int64_t> out(conversion.out_elements(1));
    convert(conversion, std::as_bytes(std::span<const T>(values)), S2Type::kL2A, {}, 1,
            {.floats = {}, .integers = out});
    return out;
  }
  std::int64_t class_of(const std::string& modality, NoDataMode mode, std::uint8_t value) {
    return integers<std::uint8_t>({modality, {}, Form::kClassIndex}, mode, {value}).front();
  }

  corpus::Schema schema_, reference_;
  corpus::StatisticsTable table_;
};

TEST_F(Conversions, NormaliseInDoubleByTheTilesSentinel2TypeAndBandName) {
  const Request request{"sentinel2", {"B8A", "B2"}, Form::kNormalised};
  std::vector<std::uint16_t> values(13);
  values[7] = 1234;  // B8A stands before B8
  values[1] = 77;
  const auto l2a = floats(request, NoDataMode::kFixed, values);
  EXPECT_EQ(l2a, (std::vector<float>{static_cast<float>((1234.0 - 17.0) / 3.0),
                                     static_cast<float>((77.0 - 11.0) / 3.0)}));
  const auto l1c = floats(request, NoDataMode::kFixed, values, nullptr, S2Type::kL1C);
  EXPECT_EQ(l1c.front(), static_cast<float>((1234.0 - 100.0) / 3.0));
}

TEST_F(Conversions, Sentinel2ZeroIsMissingButForTheLegacyMode) {
  const Request request{"sentinel2", {"B1"}, Form::kNormalised};
  EXPECT_TRUE(std::isnan(floats<std::uint16_t>(request, NoDataMode::kFixed, {0}).front()));
  EXPECT_TRUE(std::isnan(floats<std::uint16_t>(request, NoDataMode::kV1, {0}).front()));
  EXPECT_EQ(floats<std::uint16_t>(request, NoDataMode::kLegacy, {0}).front(),
            static_cast<float>(-10.0 / 3.0));
}

TEST_F(Conversions, Sentinel1MinusInfinityIsMissingInEveryMode) {
  const Request request{"sentinel1", {"asc_VV"}, Form::kNormalised};
  for (const NoDataMode mode : {NoDataMode::kFixed, NoDataMode::kV1, NoDataMode::kLegacy}) {
    EXPECT_TRUE(std::isnan(floats<float>(request, mode, {-kInfinity}).front()));
    EXPECT_EQ(floats<float>(request, mode, {16.0F}).front(), 2.0F);
  }
}

TEST_F(Conversions, Canopy127IsMissingOnlyInTheFixedMode) {
  const Request request{"canopy_height_eth", {"height"}, Form::kNormalised};
  for (const corpus::Schema* schema : {&schema_, &reference_}) {
    EXPECT_TRUE(std::isnan(floats<std::int8_t>(request, NoDataMode::kFixed, {127}, schema).front()));
    for (const NoDataMode mode : {NoDataMode::kV1, NoDataMode::kLegacy}) {
      EXPECT_EQ(floats<std::int8_t>(request, mode, {127}, schema).front(), 39.0F);
    }
  }
}

TEST_F(Conversions, NaNStaysMissing) {
  const Request request{"era5", {}, Form::kNormalised};
  for (const NoDataMode mode : {NoDataMode::kFixed, NoDataMode::kV1, NoDataMode::kLegacy}) {
    const auto out = floats<float>(request, mode, {std::nanf(""), 14.0F});
    EXPECT_TRUE(std::isnan(out[0]));
    EXPECT_EQ(out[1], 1.0F);
  }
}

TEST_F(Conversions, DynamicWorldHasNineClasses) {
  for (const NoDataMode mode : {NoDataMode::kFixed, NoDataMode::kV1, NoDataMode::kLegacy}) {
    EXPECT_EQ(class_of("dynamic_world", mode, 0), -1);
    for (int value = 1; value <= 9; ++value) {
      EXPECT_EQ(class_of("dynamic_world", mode, static_cast<std::uint8_t>(value)), value - 1);
    }
    EXPECT_EQ(class_of("dynamic_world", mode, 10), -1);
    EXPECT_EQ(class_of("dynamic_world", mode, 255), -1);
  }
}

TEST_F(Conversions, WorldCoverDiffersByModeInTreesAndNoData) {
  const std::vector<std::uint8_t> codes = {10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100};
  for (std::size_t c = 1; c < codes.size(); ++c) {
    for (const NoDataMode mode : {NoDataMode::kFixed, NoDataMode::kV1, NoDataMode::kLegacy}) {
      EXPECT_EQ(class_of("esa_worldcover", mode, codes[c]), static_cast<std::int64_t>(c));
      EXPECT_EQ(class_of("esa_worldcover", mode, 101), -1);
      EXPECT_EQ(class_of("esa_worldcover", mode, 255), -1);
    }
  }
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kFixed, 10), 0);
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kV1, 10), -1) << "HEAD loses tree cover";
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kLegacy, 10), 0);
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kFixed, 0), -1);
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kV1, 0), -1);
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kLegacy, 0), 0) << "no data counts as trees";
  EXPECT_EQ(class_of("esa_worldcover", NoDataMode::kFixed, 7), -1);
}

TEST_F(Conversions, OneHotIsGivenAsItIsOrAsItsIndex) {
  std::vector<std::uint8_t> biome(14);
  biome[5] = 1;
  const auto vector = integers<std::uint8_t>({"biome", {}, Form::kOneHot}, NoDataMode::kFixed, biome);
  EXPECT_EQ(vector, (std::vector<std::int64_t>{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
  const Request index{"biome", {}, Form::kClassIndex};
  EXPECT_EQ(integers<std::uint8_t>(index, NoDataMode::kFixed, biome), std::vector<std::int64_t>{5});
  EXPECT_EQ(integers<std::uint8_t>(index, NoDataMode::kFixed, {}), std::vector<std::int64_t>{-1});
}

TEST_F(Conversions, AConstantBandGivesZeroInTheFixedMode) {
  table_["aster"].std = {0, 0};
  const Request request{"aster", {"elevation"}, Form::kNormalised};
  EXPECT_EQ(floats<std::int16_t>(request, NoDataMode::kFixed, {10}).front(), 0.0F);
  EXPECT_TRUE(std::isnan(floats<std::int16_t>(request, NoDataMode::kV1, {10}).front()));
}

TEST_F(Conversions, StoredValuesAreUntouched) {
  const Request request{"sentinel2", {"B2", "B1"}, Form::kStored};
  EXPECT_EQ((floats<std::uint16_t>(request, NoDataMode::kFixed, {0, 65535})), (std::vector<float>{65535, 0}));
}

TEST_F(Conversions, WhatCannotBeGivenIsRefusedWithTheNearestName) {
  const auto advice = [&](const Request& request) -> std::string {
    try {
      resolve(request, schema_, table_, NoDataMode::kFixed);
    } catch (const UsageError& error) {
      return error.context().advice + error.message();
    }
    return "accepted";
  };
  EXPECT_NE(advice({"sentinel3", {}, Form::kNormalised}).find("did you mean sentinel"), std::string::npos);
  EXPECT_NE(advice({"aster", {"elevatoin"}, Form::kNormalised}).find("did you mean elevation"),
            std::string::npos);
  EXPECT_NE(advice({"aster", {}, Form::kClassIndex}).find("cannot be given"), std::string::npos);
  EXPECT_NE(advice({"biome", {}, Form::kNormalised}).find("cannot be given"), std::string::npos);
  table_.erase("aster");
  EXPECT_NE(advice({"aster", {}, Form::kNormalised}).find("no band statistics"), std::string::npos);
  EXPECT_THROW(no_data_mode_from("v2"), UsageError);
}

}  // namespace
}  // namespace terramill::loader
