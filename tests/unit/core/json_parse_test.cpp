#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace terramill {
namespace {

using testing::contains;
using testing::Scratch;
using testing::text_of;

std::string fault_of(const std::string& text) {
  return text_of<FormatError>([&] { static_cast<void>(parse_json(text, "tiles.json")); });
}

TEST(JsonParse, BareNonFiniteTokensAreNumbers) {
  const Json value = parse_json(R"({"a": NaN, "b": [Infinity, -Infinity,NaN], "c": -1.5})");
  EXPECT_TRUE(std::isnan(value["a"].get<double>()));
  EXPECT_EQ(value["b"][0].get<double>(), HUGE_VAL);
  EXPECT_EQ(value["b"][1].get<double>(), -HUGE_VAL);
  EXPECT_TRUE(value["b"][2].is_number_float());
  EXPECT_EQ(value["c"].get<double>(), -1.5);
  EXPECT_TRUE(std::isnan(parse_json("NaN").get<double>()));
  EXPECT_EQ(parse_json(" -Infinity ").get<double>(), -HUGE_VAL);
}

TEST(JsonParse, TokensInsideStringsStay) {
  const Json value = parse_json(R"({"NaN": "NaN, -Infinity", "q\"NaN": "\\", "x": NaN})");
  EXPECT_EQ(value["NaN"].get<std::string>(), "NaN, -Infinity");
  EXPECT_EQ(value["q\"NaN"].get<std::string>(), "\\");
  EXPECT_TRUE(std::isnan(value["x"].get<double>()));
}

TEST(JsonParse, NoStringIsMistakenForANumber) {
  // Private-use characters mark the tokens while parsing: texts that hold them, bare or escaped, must
  // survive.
  const Json value = parse_json("[\"\xEE\x80\x80n\", \"\\uE001n\", \"\\ue002p\", NaN]");
  EXPECT_EQ(value[0].get<std::string>(), "\xEE\x80\x80n");
  EXPECT_EQ(value[1].get<std::string>(), "\xEE\x80\x81n");
  EXPECT_EQ(value[2].get<std::string>(), "\xEE\x80\x82p");
  EXPECT_TRUE(std::isnan(value[3].get<double>()));
}

TEST(JsonParse, OtherMisspelledNumbersAreRefused) {
  for (const char* text : {"-NaN", "NaNx", "nan", "Inf", "{NaN: 1}", "[1NaN]", "+Infinity", "--Infinity",
                           "NaN NaN", "01", "[1,]", "1e999"}) {
    EXPECT_THROW(static_cast<void>(parse_json(text)), FormatError) << text;
  }
}

TEST(JsonParse, FaultsAreNamedWithFileLineAndColumn) {
  EXPECT_TRUE(contains(fault_of("{\n  \"a\": 1,\n  \"b\": x\n}"), "tiles.json, line 3, column 8: "));
  // Replaced tokens before the fault do not move it.
  EXPECT_TRUE(contains(fault_of("[NaN, Infinity, -Infinity, x]"), "line 1, column 28: "));
}

TEST(JsonParse, EveryBeginningOfADocumentIsCutShort) {
  const std::string whole =
      R"({"id": "tile \u00e9\n 1", "stats": [1.5, -2e-3, true, null, NaN, {"x": -Infinity}]})";
  ASSERT_NO_THROW(static_cast<void>(parse_json(whole)));
  for (std::size_t length = 1; length < whole.size(); ++length) {
    EXPECT_TRUE(contains(fault_of(whole.substr(0, length)), "cut short")) << whole.substr(0, length);
  }
  EXPECT_TRUE(contains(fault_of(""), "empty"));
  EXPECT_TRUE(contains(fault_of(" \n"), "empty"));
}

TEST(JsonParse, TheLastOfEqualKeysCounts) {
  const Json value = parse_json(R"({"a": 1, "b": 2, "a": 3})");
  EXPECT_EQ(dump_json(value), R"({"a": 3, "b": 2})");
}

TEST(JsonParse, DeepNestingIsRefusedNotACrash) {
  EXPECT_TRUE(contains(fault_of(std::string(1000000, '[')), "deeper than 1000 levels"));
  EXPECT_NO_THROW(static_cast<void>(parse_json(std::string(1000, '[') + std::string(1000, ']'))));
}

TEST(JsonParse, LargeObjectsKeepOrderAndValues) {
  // 100,000 keys: a builder that searched every key would need 5e9 comparisons.
  std::string text = "{";
  for (int i = 0; i < 100000; ++i)
    text += (i == 0 ? "\"" : ", \"") + std::to_string(i) + "\": " + std::to_string(i);
  text += "}";
  const Json value = parse_json(text);
  ASSERT_EQ(value.size(), 100000U);
  EXPECT_EQ(value.begin().key(), "0");
  EXPECT_EQ(dump_json(value), text);
}

TEST(JsonParse, IntegersKeepTheirWidth) {
  const Json value = parse_json("[18446744073709551615, -9223372036854775808]");
  EXPECT_EQ(value[0].get<std::uint64_t>(), ~std::uint64_t{0});
  EXPECT_EQ(value[1].get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
}

TEST(JsonParse, FilesAreNamed) {
  const Scratch scratch;
  write_file_durably(scratch / "half.json", "{\"a\": [1, 2");
  const auto text = text_of<FormatError>([&] { static_cast<void>(read_json(scratch / "half.json")); });
  EXPECT_TRUE(contains(text, (scratch / "half.json").string()));
  EXPECT_THROW(static_cast<void>(read_json(scratch / "absent.json")), IoError);
}

TEST(JsonGet, NamesTheKeyThatIsMissingOrOfTheWrongType) {
  const Json value = parse_json(R"({"n": 3, "s": "x"})");
  EXPECT_EQ(json_get<int>(value, "n", "m.json"), 3);
  EXPECT_TRUE(contains(text_of<FormatError>([&] { static_cast<void>(json_get<int>(value, "m", "m.json")); }),
                       "the key \"m\" is missing (while: read JSON; about: m.json)"));
  EXPECT_TRUE(contains(text_of<FormatError>([&] { static_cast<void>(json_get<int>(value, "s", "m.json")); }),
                       "the key \"s\" has the wrong type"));
}

TEST(JsonParse, ReadsEverySharedFile) {
  const char* shared = std::getenv("TERRAMILL_SHARED");
  const char* source = std::getenv("TERRAMILL_SOURCE_DIR");
  const std::filesystem::path root = shared != nullptr   ? std::filesystem::path(shared)
                                     : source != nullptr ? std::filesystem::path(source) / ".." / "shared"
                                                         : std::filesystem::path();
  if (root.empty() || !std::filesystem::is_directory(root))
    GTEST_SKIP() << "no shared data (TERRAMILL_SHARED)";
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().string());
    const Json value = read_json(entry.path());
    EXPECT_EQ(dump_json(parse_json(dump_json(value))), dump_json(value));
    ++read;
  }
  if (read == 0) GTEST_SKIP() << "the shared data hold no JSON";
}

}  // namespace
}  // namespace terramill
