#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/corpus/manifest.hpp>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

using testing::contains;
using testing::text_of;

Manifest invented_manifest() {
  Manifest manifest;
  manifest.schema = majortom_schema(224);
  manifest.codec = Codec::kZstd;
  manifest.codec_library = "zstd 1.5.4";
  manifest.source = {{"kind", "geotiff"}, {"note", "\"xxh3\": \"0123456789abcdef\""}};
  manifest.label_names = {"Forest", "River"};
  manifest.shard_tiles = 64;
  manifest.shards = {{3, 1000, 5, 6, 7}, {2, 900, 8, 9, ~std::uint64_t{0}}};
  manifest.tiles = 5;
  manifest.content = 77;
  return manifest;
}

TEST(Manifest, SurvivesTheFile) {
  const testing::Scratch scratch;
  const Manifest manifest = invented_manifest();
  write_file_durably(scratch / kManifestFile, to_text(manifest));
  const Manifest again = read_manifest(scratch.path());
  EXPECT_EQ(to_text(again), to_text(manifest));
  EXPECT_EQ(again.shards[1].content, ~std::uint64_t{0});
  EXPECT_EQ(again.codec, Codec::kZstd);
  EXPECT_EQ(again.label_names, manifest.label_names);
}

TEST(Manifest, EveryFlippedByteIsRefused) {
  const testing::Scratch scratch;
  const std::string good = to_text(invented_manifest());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    FileDescriptor file = FileDescriptor::create(scratch / kManifestFile);
    file.write(std::as_bytes(std::span(bad)));
    file.close();
    EXPECT_THROW(read_manifest(scratch.path()), Error) << "byte " << at;
  }
}

TEST(Manifest, MissingOneSaysWhetherTheBuildIsUnfinished) {
  const testing::Scratch scratch;
  const auto read = [&] { read_manifest(scratch.path()); };
  EXPECT_TRUE(contains(text_of<IoError>(read), "is no corpus"));
  std::filesystem::create_directory(scratch / ".build");
  EXPECT_TRUE(contains(text_of<IoError>(read), "unfinished build"));
}

TEST(Manifest, ShardsAreNumberedWithFiveDigitsOrMore) {
  EXPECT_EQ(shard_path("c", 12), "c/shards/shard-00012.h5");
  EXPECT_EQ(shard_index_path("c", 123456), "c/shards/shard-123456.idx");
}

}  // namespace
}  // namespace terramill::corpus
