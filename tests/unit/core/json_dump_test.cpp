#include "support/error_text.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/philox.hpp>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace terramill {
namespace {

TEST(JsonDump, NumbersReadAsPythonWritesThem) {
  // The right column is json.dumps of CPython 3.11.
  const std::pair<double, const char*> kCases[] = {{1.0, "1.0"},
                                                   {-0.0, "-0.0"},
                                                   {0.1, "0.1"},
                                                   {1e-4, "0.0001"},
                                                   {1e-5, "1e-05"},
                                                   {1e-7, "1e-07"},
                                                   {1e15, "1000000000000000.0"},
                                                   {1e16, "1e+16"},
                                                   {1.5e16, "1.5e+16"},
                                                   {123456.789, "123456.789"},
                                                   {9007199254740993.0, "9007199254740992.0"},
                                                   {1e22, "1e+22"},
                                                   {5e-324, "5e-324"},
                                                   {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                   {-1234.5, "-1234.5"},
                                                   {0.00012345, "0.00012345"},
                                                   {100.0, "100.0"},
                                                   {1.0 / 3, "0.3333333333333333"},
                                                   {HUGE_VAL, "Infinity"},
                                                   {-HUGE_VAL, "-Infinity"},
                                                   {std::nan(""), "NaN"}};
  for (const auto& [value, text] : kCases) EXPECT_EQ(shortest_text(value), text);
  EXPECT_EQ(dump_json(Json::array({1, -2, 3.0, true, nullptr})), "[1, -2, 3.0, true, null]");
}

TEST(JsonDump, EveryDoubleReadsBackEqual) {
  PhiloxStream random(1, Purpose::kTest);
  for (int i = 0; i < 20000; ++i) {
    const auto value = std::bit_cast<double>(random.next_u64());
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(std::strtod(shortest_text(value).c_str(), nullptr), value);
    EXPECT_EQ(parse_json(shortest_text(value)).get<double>(), value);
  }
}

TEST(JsonDump, TextIsPlainAscii) {
  EXPECT_EQ(dump_json(Json("a\"\\/\b\f\n\r\t\x01\x7f")), R"("a\"\\/\b\f\n\r\t\u0001\u007f")");
  EXPECT_EQ(dump_json(Json("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8C\x8D")), R"("\u00e9 \u20ac \ud83c\udf0d")");
}

TEST(JsonDump, BytesThatAreNoTextBecomeTheReplacementCharacter) {
  for (const char* bad : {"\xFF", "\xC0", "\xC3", "\xE2\x28", "\xED\xA0"}) {
    const std::string text = dump_json(Json(std::string(bad)));
    EXPECT_TRUE(testing::contains(text, "\\ufffd"));
    EXPECT_NO_THROW(static_cast<void>(parse_json(text)));
  }
}

TEST(JsonDump, IndentsLikePython) {
  const Json value = parse_json(R"({"b": [1, {"x": []}], "a": {}})");
  EXPECT_EQ(dump_json(value), R"({"b": [1, {"x": []}], "a": {}})");
  EXPECT_EQ(dump_json(value, 2),
            "{\n  \"b\": [\n    1,\n    {\n      \"x\": []\n    }\n  ],\n  \"a\": {}\n}");
  EXPECT_EQ(dump_json(parse_json("[1, 2]"), 0), "[\n1,\n2\n]");
}

TEST(JsonDump, NonFiniteValuesSurviveTheRoundTrip) {
  const std::string text = R"({"mean": NaN, "max": Infinity, "min": -Infinity, "note": "NaN"})";
  EXPECT_EQ(dump_json(parse_json(text)), text);
}

TEST(JsonDump, BinaryValuesAreRefused) { EXPECT_THROW(dump_json(Json::binary({1, 2})), FormatError); }

}  // namespace
}  // namespace terramill
