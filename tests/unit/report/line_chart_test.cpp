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

TEST(LineChart, LongCurvesBecomeMeansWithinTheirRange) {
  Series series{"loss", {}, {}};
  for (int i = 1; i <= 1000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i % 2 == 0 ? 1 : 3);
  }
  ChartOptions options{"Loss", "step", ""};
  options.points = 100;
  EXPECT_EQ(points_averaged(options, series), 10u);
  const std::string svg = line_chart(options, {series});
  EXPECT_EQ(count(svg, "class=\"band"), 1u);
  // Each mean is 2: the line is level, half-way between the ends of the axis.
  const std::size_t line = svg.find("<path class=\"line");
  const std::string path = svg.substr(line, svg.find("/>", line) - line);
  EXPECT_EQ(count(path, "L"), 99u);
}

TEST(LineChart, PointsWithoutLinesAreAllDrawn) {
  ChartOptions options;
  options.unjoined = true;
  Series series;
  for (int i = 0; i < 1000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i % 7);
  }
  const std::string svg = line_chart(options, {series});
  EXPECT_EQ(count(svg, "<circle"), series.x.size());
}

TEST(LineChart, NeighbouringTicksNeverHaveTheSameLabel) {
  const std::string svg = line_chart({"Momentum", "step", ""}, {{"", {1, 2}, {0.99600, 0.99601}}});
  EXPECT_NE(svg.find(">0.996005<"), std::string::npos);
  EXPECT_LE(count(svg, ">0.996<"), 1u);
}

TEST(StackedChart, DrawsAnAreaPerShareOverOneAnother) {
  ChartOptions options{"Phases", "step", ""};
  options.percent = true;
  const std::string svg = stacked_chart(options, {{"a", {1, 2}, {0.75, 0.5}}, {"b", {1, 2}, {0.25, 0.5}}});
  EXPECT_EQ(count(svg, "<path class=\"area"), 2u);
}

}  // namespace
}  // namespace terramill::report
