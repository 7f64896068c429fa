#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/options.hpp>

#include <optional>

namespace terramill {
namespace {

using testing::contains;
using testing::Scratch;
using testing::text_of;

IniFile ini_of(const std::string& text) {
  const Scratch scratch;
  write_file_durably(scratch / "f.ini", text);
  return read_ini(scratch / "f.ini");
}

TEST(Ini, SectionsKeysAndComments) {
  const auto file = ini_of(
      "head = 1\r\n# comment\n; another\n\n[land_cover]\nmap = 1:80, 2:10   # classes\n"
      "[ labels ]\nfrom=folder\nempty =\ncolour = #12\nhash = a#b\n");
  EXPECT_EQ(file.at("").at("head"), "1");
  EXPECT_EQ(file.at("land_cover").at("map"), "1:80, 2:10");
  EXPECT_EQ(file.at("labels").at("from"), "folder");
  EXPECT_EQ(file.at("labels").at("empty"), "");
  EXPECT_EQ(file.at("labels").at("colour"), "");
  EXPECT_EQ(file.at("labels").at("hash"), "a#b");
}

TEST(Ini, QuotesKeepBlanksAndComments) {
  const auto file = ini_of("a = \" x # y \"\nb = \"say \\\"hi\\\" \\\\ \\n\" # note\n");
  EXPECT_EQ(file.at("").at("a"), " x # y ");
  EXPECT_EQ(file.at("").at("b"), "say \"hi\" \\ \n");
}

TEST(Ini, FaultsAreNamedWithTheirLine) {
  const std::pair<const char*, const char*> kCases[] = {
      {"a = 1\nb\n", ":2: a line is a [section]"},      {"[x\n", ":1: a section's name ends"},
      {"\n[]\n", ":2: a section needs a name"},         {"= 3\n", ":1: a key stands before"},
      {"a = \"x\n", ":1: a quoted value ends"},         {"a = \"x\" y\n", ":1: nothing may follow"},
      {"[s]\na = 1\na = 2\n", ":3: s.a is given twice"}};
  for (const auto& [text, expected] : kCases) {
    EXPECT_TRUE(
        contains(text_of<FormatError>([&, bad = text] { static_cast<void>(ini_of(bad)); }), expected));
  }
}

TEST(SplitList, TrimsAndKeepsInnerEmptyParts) {
  EXPECT_EQ(split_list("a, b ,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(split_list(" \t"), std::vector<std::string>{});
  EXPECT_EQ(split_list("a,,b"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split_list("1:2", ':'), (std::vector<std::string>{"1", "2"}));
}

TEST(Nearest, FindsSlipsAndNothingFarOff) {
  const std::vector<std::string> known = {"source", "output", "shard-tiles", "codec", "lr"};
  EXPECT_EQ(nearest("suorce", known), "source");
  EXPECT_EQ(nearest("outptu", known), "output");
  EXPECT_EQ(nearest("shard_tiles", known), "shard-tiles");
  EXPECT_EQ(nearest("shardtile", known), "shard-tiles");
  EXPECT_EQ(nearest("momentum", known), std::nullopt);
  EXPECT_EQ(nearest("xy", known), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
}

}  // namespace
}  // namespace terramill
