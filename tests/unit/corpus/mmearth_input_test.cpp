#include "corpus/assemble.hpp"
#include "mmearth_folder.hpp"

#include <filesystem>
#include <string>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

/// What an mmearth-tiles source makes of files and entries that are odd.
using MmearthInput = MmearthTest;

TEST_F(MmearthInput, TheTileSizeIsTheOneThatMostTilesHold) {
  Json entries;
  for (const char* id : {"0", "1", "2", "3"}) entries[id] = entry();
  table(entries);
  tile("0", 32);
  for (const char* id : {"1", "2", "3"}) tile(id, 66);
  EXPECT_EQ(open_source(options(0))->schema().height, 64) << "the first is too small";
  tile("0", 130);
  EXPECT_EQ(open_source(options(0))->schema().height, 64) << "the first is too large";
  tile("1", 130);
  EXPECT_EQ(open_source(options(0))->schema().height, 64) << "of two that are as frequent, what all hold";
  tile("2", 130);
  EXPECT_EQ(open_source(options(0))->schema().height, 128);
}

TEST_F(MmearthInput, AKeyThatIsNoTextIsSetAsideWithItsPlace) {
  write("a_tile_info.json",
        "{\"od\\d\": {}, \"\xff\": {}, \"caf\\u00e9\": {}, \"1\": " + dump_json(entry()) + "}");
  tile("1");
  const auto source = open_source(options());
  ASSERT_EQ(source->candidates(), 4u);
  for (const std::uint64_t i : {0u, 1u}) {
    const auto loaded = source->load(i);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().tile_id, i == 0 ? "od\\d" : "\xff");
    EXPECT_EQ(loaded.error().file, "a_tile_info.json");
    EXPECT_NE(loaded.error().reason.find("its key"), std::string::npos) << loaded.error().reason;
  }
  EXPECT_EQ(source->load(2).error().tile_id, "caf\xc3\xa9");
  EXPECT_TRUE(source->load(3));
}

TEST_F(MmearthInput, ReasonsAreCountedWithoutTheirPlaceInTheTable) {
  Json entries{{"1", entry()}, {"2", entry()}};
  for (const char* id : {"1", "2"}) entries[id].erase("lat");
  table(entries);
  fs::create_directory(folder_ / "merged");
  const auto source = open_source(options());
  const auto first = source->load(0), second = source->load(1);
  ASSERT_TRUE(!first && !second);
  EXPECT_NE(first.error().reason, second.error().reason);
  EXPECT_EQ(counted_reason(first.error().reason), "its entry has no key \"lat\"");
  EXPECT_EQ(counted_reason(second.error().reason), counted_reason(first.error().reason));
  EXPECT_EQ(counted_reason("byte by byte: no"), "byte by byte: no");
  EXPECT_EQ(counted_reason("byte 12"), "byte 12");
  EXPECT_EQ(counted_reason("cannot be read (truncated?): Read error; got 19536 bytes, expected 83781"),
            "cannot be read (truncated?): Read error; got N bytes, expected N");
  EXPECT_EQ(counted_reason("has 20 bands where tile_info lists 21"), "has 20 bands where tile_info lists 21");
}

TEST_F(MmearthInput, AFolderThatDoesNotAnswerIsNoMistakeOfTheUser) {
  table({{"1", entry()}});
  fs::create_symlink("merged", folder_ / "merged");  // ELOOP
  error_of<IoError>([&] { open_source(options()); });
}

TEST_F(MmearthInput, ATileIsMissingOnlyWhereItsFolderAnswers) {
  table({{"1", entry()}, {"2", entry()}});
  tile("1");
  const auto source = open_source(options());
  EXPECT_EQ(source->load(1).error().reason, "the file does not exist");
  fs::rename(folder_ / "merged", folder_ / "lost");
  error_of<IoError>([&] { static_cast<void>(source->load(1)); });
  fs::create_directory_symlink("/proc", folder_ / "merged");  // another file system
  error_of<IoError>([&] { static_cast<void>(source->load(1)); });
  fs::remove(folder_ / "merged");
  fs::rename(folder_ / "lost", folder_ / "merged");
  EXPECT_TRUE(source->load(0));
}

}  // namespace
}  // namespace terramill::corpus
