#include "raw_corpus.hpp"

#include <terramill/core/file.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/shard_index.hpp>
#include <terramill/corpus/verify.hpp>

#include <algorithm>

namespace terramill::corpus {
namespace {

class VerifyCorpus : public RawCorpusTest {
 protected:
  void SetUp() override {
    RawCorpusTest::SetUp();
    if (IsSkipped()) return;
    const BuildOptions one = options("corpus", 32);
    build(world_, one);
    corpus_ = one.output;
  }

  void flip(const std::string& file, std::uint64_t at) const {
    if (world_.rank() == 0) {
      std::string bytes = read_text(corpus_ / file);
      bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
      FileDescriptor out = FileDescriptor::create(corpus_ / file);
      out.write(std::as_bytes(std::span(bytes)));
      out.close();
    }
    world_.barrier();
  }

  /// Whether rank 0 has a fault that names `file`.
  bool names(const VerifyReport& report, const std::string& file) const {
    return world_.rank() != 0 || std::any_of(report.faults.begin(), report.faults.end(),
                                             [&](const CorpusFault& fault) { return fault.file == file; });
  }

  std::filesystem::path corpus_;
};

TEST_F(VerifyCorpus, AGoodCorpusHasNoFaults) {
  const VerifyReport report = verify(world_, corpus_, 2);
  EXPECT_EQ(report.fault_count, 0u);
  EXPECT_EQ(report.tiles, 62u);
  EXPECT_EQ(report.shards, 2u);
  EXPECT_EQ(report.chunks, 62u * 15u);
}

TEST_F(VerifyCorpus, AReferenceCorpusHasNoFaults) {
  BuildOptions reference = options("reference", 32);
  reference.source.reference = true;
  build(world_, reference);
  EXPECT_EQ(verify(world_, reference.output, 1).fault_count, 0u);
}

TEST_F(VerifyCorpus, EveryFlippedByteOfEveryFileIsFound) {
  constexpr int kDraws = 8;
  std::map<std::string, std::uint64_t> sizes;
  for (const auto& [name, hash] : files(corpus_)) {
    if (hash != "folder") sizes[name] = std::filesystem::file_size(corpus_ / name);
  }
  ASSERT_EQ(sizes.size(), 8u);
  world_.barrier();
  for (const auto& [name, size] : sizes) {
    PhiloxStream stream(11, Purpose::kTest, xxh3(name));
    for (int draw = 0; draw < kDraws; ++draw) {
      // The first and the last byte, and some between.
      const std::uint64_t at = draw == 0 ? 0 : draw == 1 ? size - 1 : stream.below(size);
      flip(name, at);
      const VerifyReport report = verify(world_, corpus_, 1);
      EXPECT_GT(report.fault_count, 0u) << name << " byte " << at;
      EXPECT_TRUE(names(report, name)) << name << " byte " << at;
      flip(name, at);
    }
  }
  EXPECT_EQ(verify(world_, corpus_, 1).fault_count, 0u);
}

TEST_F(VerifyCorpus, ADamagedChunkIsNamedByTileAndModality) {
  const ShardIndex index = ShardIndex::read(shard_index_path(corpus_, 1));
  const Manifest manifest = read_manifest(corpus_);
  const auto sentinel1 = static_cast<std::uint32_t>(manifest.schema.index_of("sentinel1"));
  const ChunkLocation where = index.at(3, sentinel1);
  flip("shards/shard-00001.h5", where.offset + where.size / 2);
  const VerifyReport report = verify(world_, corpus_, 1);
  if (world_.rank() != 0) return;
  const std::string tile =
      IndexReader(corpus_ / kIndexFile).read_records(manifest.shards[0].tiles + 3, 1).at(0).tile_id;
  EXPECT_TRUE(std::any_of(report.faults.begin(), report.faults.end(), [&](const CorpusFault& fault) {
    return fault.file == "shards/shard-00001.h5" && fault.tile == tile && fault.modality == "sentinel1";
  })) << dump_json(to_json(report), 1);
}

TEST_F(VerifyCorpus, MissingAndForeignFilesAreNamed) {
  if (world_.rank() == 0) {
    std::filesystem::remove(corpus_ / "shards/shard-00000.idx");
    write_file_durably(corpus_ / "shards/notes.txt", "mine");
  }
  world_.barrier();
  const VerifyReport report = verify(world_, corpus_, 1);
  EXPECT_TRUE(names(report, "shards/shard-00000.idx"));
  EXPECT_TRUE(names(report, "shards/notes.txt"));
  EXPECT_EQ(report.fault_count, 2u);
}

TEST_F(VerifyCorpus, StatisticsThatDoNotFitAreFoundEvenWithAFittingHash) {
  if (world_.rank() == 0) {
    Manifest manifest = read_manifest(corpus_);
    std::string text = read_text(corpus_ / kStatisticsFile);
    text.insert(text.size() - 2, " ");
    write_file_durably(corpus_ / kStatisticsFile, text);
    manifest.statistics_xxh3 = xxh3(text);
    write_file_durably(corpus_ / kManifestFile, to_text(manifest));
  }
  world_.barrier();
  EXPECT_TRUE(names(verify(world_, corpus_, 1), kStatisticsFile));
}

}  // namespace
}  // namespace terramill::corpus
