#include "raw_corpus.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>

#include <fstream>
#include <optional>
#include <vector>

namespace terramill::corpus {
namespace {

using BuildCorpus = RawCorpusTest;

TEST_F(BuildCorpus, LittleMemoryChangesNothing) {
  BuildOptions roomy = options("roomy", 32), narrow = options("narrow", 32);
  roomy.threads = narrow.threads = 3;
  narrow.memory_mib = 1;
  build(world_, roomy);
  build(world_, narrow);
  if (world_.rank() == 0) {
    EXPECT_EQ(files(roomy.output), files(narrow.output));
  }
}

TEST_F(BuildCorpus, ContentDoesNotDependOnTheCodec) {
  std::vector<std::uint64_t> contents;
  for (const Codec codec : {Codec::kDeflate, Codec::kZstd, Codec::kNone}) {
    BuildOptions one = options(std::string(name_of(codec)), 16);
    one.codec = codec;
    one.level = 3;
    build(world_, one);
    contents.push_back(read_manifest(one.output).content);
  }
  EXPECT_EQ(contents[0], contents[1]);
  EXPECT_EQ(contents[0], contents[2]);
}

TEST_F(BuildCorpus, IndexAndQuarantineKeepTheOrderOfTheSource) {
  const BuildOptions one = options("corpus");
  build(world_, one);
  if (world_.rank() != 0) return;
  std::vector<std::string> ids;
  const Json tile_info = read_json(raw_folder() / "data_tiny_v001_64_tile_info.json");
  for (const auto& [id, entry] : tile_info.items()) ids.push_back(id);
  const auto records = IndexReader(one.output / kIndexFile).read_records(0, 62);
  std::size_t next = 0;
  for (const TileRecord& record : records) {
    while (next < ids.size() && ids[next] != record.tile_id) ++next;
    ASSERT_LT(next, ids.size()) << record.tile_id << " is out of order";
    EXPECT_EQ(record.shard, next / 8);
  }
  std::ifstream lines(one.output / kQuarantineFile);
  std::string first, second;
  std::getline(lines, first);
  std::getline(lines, second);
  EXPECT_EQ(parse_json(first).at("id"), "101480");
  EXPECT_EQ(parse_json(second).at("id"), "101517");
}

TEST_F(BuildCorpus, CompleteCorpusIsLeftAsItIs) {
  const BuildOptions one = options("corpus", 32);
  build(world_, one);
  const auto before = world_.rank() == 0 ? files(one.output) : std::map<std::string, std::string>();
  const auto written = std::filesystem::last_write_time(one.output / kManifestFile);
  const BuildReport again = build(world_, one);
  EXPECT_TRUE(again.complete_before);
  EXPECT_EQ(again.tiles, 62u);
  EXPECT_EQ(again.built_shards, 0u);
  EXPECT_EQ(std::filesystem::last_write_time(one.output / kManifestFile), written);
  if (world_.rank() == 0) {
    EXPECT_EQ(files(one.output), before);
  }
}

/// The UsageError that a build of `options` must end with, on every rank.
std::string refusal(const mpi::Communicator& comm, const BuildOptions& options) {
  try {
    build(comm, options);
  } catch (const UsageError& error) {
    return error.message();
  }
  ADD_FAILURE() << "the build was not refused";
  return "";
}

TEST_F(BuildCorpus, OtherOptionsAreRefusedByName) {
  const BuildOptions one = options("corpus", 32);
  build(world_, one);
  BuildOptions other = one;
  other.codec = Codec::kNone;
  EXPECT_NE(refusal(world_, other).find("codec: \"deflate\" there, \"none\" now"), std::string::npos);
  other = one;
  other.source.split_seed = 9;
  EXPECT_NE(refusal(world_, other).find("split-seed: 0 there, 9 now"), std::string::npos);
  other = one;
  other.threads = 2;
  other.memory_mib = 64;
  EXPECT_TRUE(build(world_, other).complete_before);
}

TEST_F(BuildCorpus, OnlyWhatIsMissingIsBuilt) {
  // A work log that cannot be written ends the build before its assembly.
  BuildOptions one = options("corpus");
  one.work_log = scratch_ / "no such folder" / "log";
  EXPECT_THROW(build(world_, one), Error);
  world_.barrier();
  one.work_log.clear();
  std::optional<std::filesystem::file_time_type> kept;
  if (world_.rank() == 0) {
    std::filesystem::remove(one.output / ".build/shard-00003.part");
    std::filesystem::remove(shard_path(one.output, 5));
    std::ofstream(one.output / "shards/.shard-00003.h5.tmp") << "half a shard";
    kept = std::filesystem::last_write_time(shard_path(one.output, 4));
  }
  BuildOptions other = one;
  other.level = 1;
  EXPECT_NE(refusal(world_, other).find("level: 6 there, 1 now"), std::string::npos);
  EXPECT_EQ(build(world_, one).built_shards, 2u);
  const BuildOptions undisturbed = options("undisturbed");
  build(world_, undisturbed);
  if (world_.rank() == 0) {
    EXPECT_EQ(std::filesystem::last_write_time(shard_path(one.output, 4)), *kept);
    EXPECT_EQ(files(one.output), files(undisturbed.output));
  }
}

TEST_F(BuildCorpus, AFolderInUseIsRefused) {
  const BuildOptions one = options("corpus");
  std::optional<DirectoryLock> other_build;
  if (world_.rank() == 0) {
    std::filesystem::create_directories(one.output / ".build");
    other_build.emplace(one.output / ".build", "corpus build");
  }
  EXPECT_NE(refusal(world_, one).find((one.output / ".build").string()), std::string::npos);
}

TEST_F(BuildCorpus, AFolderWithOtherThingsIsRefused) {
  if (world_.rank() == 0) {
    std::filesystem::create_directories(scratch_ / "full");
    std::ofstream(scratch_ / "full/thesis.tex") << "precious";
  }
  world_.barrier();
  EXPECT_NE(refusal(world_, options("full")).find("is not empty"), std::string::npos);
}

TEST_F(BuildCorpus, EveryRequestIsInTheWorkLogAndNobodyWaitsForRankZerosShard) {
  BuildOptions one = options("corpus");
  one.work_log = scratch_ / "work.jsonl";
  build(world_, one);
  if (world_.rank() != 0) return;
  std::vector<Json> requests, spans;
  std::ifstream lines(one.work_log);
  for (std::string line; std::getline(lines, line);) {
    Json json = parse_json(line);
    (json.at("event") == "request" ? requests : spans).push_back(std::move(json));
  }
  EXPECT_EQ(spans.size(), 8u);
  EXPECT_EQ(requests.size(), 8u + static_cast<std::size_t>(world_.size()));
  // Whoever asked while rank 0 worked on a shard was answered before that shard ended, and somebody did ask.
  bool somebody = world_.size() == 1;
  for (const Json& span : spans) {
    if (span.at("rank") != 0) continue;
    for (const Json& request : requests) {
      const double asked = request.at("asked"), begin = span.at("begin"), end = span.at("end");
      if (request.at("rank") == 0 || asked < begin || asked > end) continue;
      EXPECT_LT(request.at("answered").get<double>(), end);
      somebody = true;
    }
  }
  EXPECT_TRUE(somebody);
}

}  // namespace
}  // namespace terramill::corpus
