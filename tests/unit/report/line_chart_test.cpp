#include <terramill/report/line_chart.hpp>

#include <cmath>
#include <string>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST(LineChart, DrawsOneCurvePerSeriesAndNamesEach) {
  const std::string svg =
      line_chart({"Loss", "step", "loss"}, {{"train", {1, 2, 3}, {3, 2, 1}}, {"a < b", {1, 3}, {2, 2}}});
  EXPECT_EQ(count(svg, "<path"), 2u);
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(LineChart, AMissingValueBreaksTheLine) {
  const std::string whole = line_chart({"", "", ""}, {{"", {1, 2, 3, 4}, {1, 2, 3, 4}}});
  const std::string broken = line_chart({"", "", ""}, {{"", {1, 2, 3, 4}, {1, std::nan(""), 3, 4}}});
  EXPECT_EQ(count(whole.substr(whole.find("<path")), "M"), 1u);
  EXPECT_EQ(count(broken.substr(broken.find("<path")), "M"), 2u);
}

TEST(LineChart, SurvivesNothingConstantsAndNonPositiveLogarithms) {
  EXPECT_NE(line_chart({"", "", ""}, {}).find("no values"), std::string::npos);
  EXPECT_EQ(count(line_chart({"", "", ""}, {{"", {1, 2}, {5, 5}}}), "<path"), 1u);
  const std::string logarithmic = line_chart({.title = "", .x_label = "", .y_label = "", .logarithmic = true},
                                             {{"", {1, 2, 3}, {0.1, -1, 1000}}});
  EXPECT_EQ(logarithmic.find("inf"), std::string::npos);
}

}  // namespace
}  // namespace terramill::report
