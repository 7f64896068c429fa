#include "sampling/region.hpp"

#include <terramill/core/error.hpp>

#include <limits>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

TEST(Region, ABoxHoldsItsEdgesAndMayCrossTheDateLine) {
  const auto europe = Region::from_box("-10, 35, 30, 60");
  ASSERT_TRUE(europe);
  EXPECT_TRUE(europe->contains(-10, 35));
  EXPECT_TRUE(europe->contains(350, 40)) << "350 degrees are -10";
  EXPECT_FALSE(europe->contains(-10.001, 40));
  EXPECT_FALSE(europe->contains(0, 60.001));
  EXPECT_FALSE(europe->contains(std::numeric_limits<double>::quiet_NaN(), 40)) << "a tile without a place";

  const auto fiji = Region::from_box("176,-20,-178,-12");
  ASSERT_TRUE(fiji);
  for (const double inside : {176.0, 179.0, 180.0, -180.0, -178.0}) EXPECT_TRUE(fiji->contains(inside, -15));
  for (const double outside : {175.9, -177.9, 0.0}) EXPECT_FALSE(fiji->contains(outside, -15));
}

TEST(Region, OnlyFourNumbersAreABoxAndTheyMustBoundOne) {
  for (const char* text : {"", "europe.geojson", "1,2,3", "1,2,3,four", "1,2,3,4,5"}) {
    EXPECT_FALSE(Region::from_box(text)) << text;
  }
  for (const char* text :
       {"-190,0,0,10", "0,0,200,10", "0,10,10,0", "0,-91,10,0", "5,0,5,10", "nan,0,5,10"}) {
    EXPECT_THROW(Region::from_box(text), UsageError) << text;
  }
}

constexpr const char* kRing = R"([[0,0],[10,0],[10,10],[0,10],[0,0]])";
constexpr const char* kHole = R"([[4,4],[6,4],[6,6],[4,6],[4,4]])";

Region read(const std::string& text) { return Region::from_geojson(text, "area.geojson"); }

std::string polygon() {
  return std::string(R"({"type": "Polygon", "coordinates": [)") + kRing + "," + kHole + "]}";
}

TEST(Region, APolygonHasHoles) {
  const Region region = read(polygon());
  EXPECT_TRUE(region.contains(2, 5));
  EXPECT_TRUE(region.contains(5, 7));
  EXPECT_FALSE(region.contains(5, 5)) << "in the hole";
  EXPECT_FALSE(region.contains(11, 5));
  EXPECT_TRUE(region.contains(362, 5));
}

TEST(Region, AConcavePolygonIsFollowedAlongItsEdges) {
  const Region region =
      read(R"({"type": "Polygon", "coordinates": [[[0,0],[4,0],[4,4],[2,1],[0,4],[0,0]]]})");
  EXPECT_TRUE(region.contains(1, 1));
  EXPECT_TRUE(region.contains(3.5, 2.5));
  EXPECT_FALSE(region.contains(2, 2)) << "in the notch";
}

TEST(Region, EveryKindOfGeojsonThatBoundsAnAreaIsRead) {
  const std::string feature = R"({"type": "Feature", "properties": {}, "geometry": )" + polygon() + "}";
  const std::string two = std::string(R"({"type": "MultiPolygon", "coordinates": [[)") + kRing +
                          R"(],[[[20,0],[30,0],[30,9],[20,0]]]]})";
  for (const std::string& text : {feature, R"({"type": "FeatureCollection", "features": [)" + feature + "]}",
                                  R"({"type": "GeometryCollection", "geometries": [)" + two + "]}", two}) {
    EXPECT_TRUE(read(text).contains(2, 5)) << text;
    EXPECT_FALSE(read(text).contains(15, 5)) << text;
  }
  EXPECT_TRUE(read(two).contains(29, 5));
}

TEST(Region, APolygonBeyond180DegreesCrossesTheDateLine) {
  const Region region =
      read(R"({"type": "Polygon", "coordinates": [[[170,-10],[190,-10],[190,10],[170,10],[170,-10]]]})");
  EXPECT_TRUE(region.contains(175, 0));
  EXPECT_TRUE(region.contains(-175, 0));
  EXPECT_FALSE(region.contains(-165, 0));
}

TEST(Region, WhatBoundsNoAreaIsRefusedWithTheFilesName) {
  for (const char* text :
       {"no json", "[]", R"({"type": "Point", "coordinates": [1, 2]})", R"({"type": "Polygon"})",
        R"({"type": "FeatureCollection", "features": []})",
        R"({"type": "Polygon", "coordinates": [[[0,0],[1,1]]]})",
        R"({"type": "Polygon", "coordinates": [[[500000,0],[500100,0],[500100,100],[500000,0]]]})",
        R"({"type": "Polygon", "coordinates": [[["a",0],[1,0],[1,1],["a",0]]]})",
        R"({"type": "Polygon", "coordinates": [[[170,0],[-170,0],[-170,9],[170,0]]]})"}) {
    try {
      read(text);
      ADD_FAILURE() << text << " was accepted";
    } catch (const UsageError& error) {
      EXPECT_NE(error.message().find("area.geojson"), std::string::npos) << error.message();
      EXPECT_EQ(error.context().subject, "region");
    }
  }
}

}  // namespace
}  // namespace terramill::sampling
