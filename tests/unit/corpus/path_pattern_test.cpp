#include "../../../src/corpus/path_pattern.hpp"

#include <terramill/core/error.hpp>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

std::optional<Captures> match(const std::string& pattern, const std::string& path) {
  return PathPattern(pattern, "test").match(path);
}

TEST(PathPatterns, NamesStandForTheSameTextWhereTheyRecur) {
  const auto found = match("S2/{id}/{id}_{band}.tif", "S2/a_b/a_b_B01.tif");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at("id"), "a_b");
  EXPECT_EQ(found->at("band"), "B01");
  EXPECT_FALSE(match("S2/{id}/{id}_{band}.tif", "S2/a/b_B01.tif"));
}

TEST(PathPatterns, TheFirstNameTakesWhatItCan) {
  const auto found = match("{id}_{band}.tif", "a_b_B01.tif");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at("id"), "a_b");
}

TEST(PathPatterns, DatesAreDates) {
  EXPECT_EQ(match("**/S2?_{date}T*", "x/y/S2A_20170613T101031_a")->at("date"), "20170613");
  EXPECT_EQ(match("*_{date}.tif", "a_2017-06-13.tif")->at("date"), "2017-06-13");
  EXPECT_FALSE(match("S2A_{date}T*", "S2A_20171313T1"));
}

TEST(PathPatterns, WildcardsStopAtFoldersUnlessDoubled) {
  EXPECT_TRUE(match("a/*.tif", "a/b.tif"));
  EXPECT_FALSE(match("a/*.tif", "a/b/c.tif"));
  EXPECT_TRUE(match("a/**.tif", "a/b/c.tif"));
  EXPECT_FALSE(match("{id}.tif", "a/b.tif"));
  EXPECT_FALSE(match("a?b", "a/b"));
}

TEST(PathPatterns, FolderIsTheLiteralBeginning) {
  EXPECT_EQ(PathPattern("a/b/c_{id}.tif", "test").folder(), "a/b");
  EXPECT_EQ(PathPattern("{label}/{id}.tif", "test").folder(), "");
}

TEST(PathPatterns, FillingInNeedsEveryName) {
  const PathPattern pattern("{name}_labels.json", "test");
  EXPECT_EQ(pattern.expand({{"name", "x"}}), "x_labels.json");
  EXPECT_FALSE(pattern.expand({}));
  EXPECT_FALSE(PathPattern("*.json", "test").expand({}));
}

TEST(PathPatterns, AnOpenBraceIsRefused) {
  EXPECT_THROW(PathPattern("a/{id", "test"), UsageError);
  EXPECT_THROW(PathPattern("a/{}", "test"), UsageError);
}

}  // namespace
}  // namespace terramill::corpus
