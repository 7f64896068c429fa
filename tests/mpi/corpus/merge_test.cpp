#include "support/shared_scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/merge.hpp>
#include <terramill/corpus/verify.hpp>
#include <terramill/geo/image.hpp>

#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

/// Tiny labelled corpora of one radar raster per tile; the folder a tile lies in is its label.
class MergeCorpora : public testing::Test {
 protected:
  std::filesystem::path labelled(const std::string& name, const std::string& classes,
                                 const std::vector<std::pair<std::string, std::string>>& tiles,
                                 const std::string& rules = "") {
    const auto raw = scratch_ / ("raw-" + name);
    mpi::all_or_none(world_, [&] {
      if (world_.rank() != 0) return;
      for (const auto& [label, id] : tiles) {
        std::filesystem::create_directories(raw / label);
        const std::vector<float> values(32, static_cast<float>(id.back()));
        geo::write_geotiff<float>(raw / label / (id + ".tif"),
                                  {4, 4, {500000, 10, 0, 5000000, 0, -10}, "EPSG:32633"}, values);
      }
      std::ofstream(raw / "mapping.ini")
          << "[source]\nschema = majortom\ntile_size = 4\n[modality.s1_rtc]\nfiles = {label}/{id}.tif\n"
             "bands = VV, VH\n"
          << rules << "[labels]\nfrom = folder\n"
          << classes;
    });
    BuildOptions options;
    options.source.kind = "geotiff";
    options.source.input = raw;
    options.source.mapping = raw / "mapping.ini";
    options.output = scratch_ / name;
    options.shard_tiles = 2;
    options.threads = 1;
    build(world_, options);
    return options.output;
  }

  MergeReport joined(const std::vector<std::filesystem::path>& inputs, const std::string& name) {
    MergeOptions options;
    options.inputs = inputs;
    options.output = scratch_ / name;
    return merge(world_, options);
  }

  mpi::Communicator world_ = mpi::Communicator::world();
  const testing::SharedScratch scratch_{world_};
};

TEST_F(MergeCorpora, LabelsFollowTheirNames) {
  const std::vector<std::pair<std::string, std::string>> west = {
      {"Forest", "a"}, {"Lake", "b"}, {"Lake", "c"}};
  const std::vector<std::pair<std::string, std::string>> east = {{"City", "d"}, {"Lake", "e"}, {"City", "f"}};
  const auto one = labelled("one", "", west), other = labelled("other", "", east);
  const MergeReport report = joined({one, other}, "both");
  EXPECT_EQ(report.tiles, 6u);
  EXPECT_EQ(report.shards, 4u);
  EXPECT_EQ(report.linked + report.copied, 4u);

  const Manifest manifest = read_manifest(scratch_ / "both");
  EXPECT_EQ(manifest.label_names, (std::vector<std::string>{"Forest", "Lake", "City"}));
  std::map<std::string, std::string> labels;
  for (const auto& tiles : {west, east}) {
    for (const auto& [label, id] : tiles) labels[id] = label;
  }
  for (const TileRecord& record : IndexReader(scratch_ / "both" / kIndexFile).read_records(0, 6)) {
    const std::string id = record.tile_id.substr(record.tile_id.rfind('/') + 1);
    EXPECT_EQ(manifest.label_names.at(static_cast<std::size_t>(record.label)), labels.at(id)) << id;
  }
  const VerifyReport checked = verify(world_, scratch_ / "both", 1);
  EXPECT_EQ(checked.fault_count, 0u);
  for (const CorpusFault& fault : checked.faults) ADD_FAILURE() << fault.file << ": " << fault.problem;
  EXPECT_TRUE(joined({one, other}, "both").complete_before);
  EXPECT_THROW(joined({other, one}, "both"), UsageError) << "another merge is there";
}

TEST_F(MergeCorpora, AFolderWhoseNameIsNotUtf8IsALabel) {
  const auto corpus = labelled("latin", "", {{"for\xeat", "a"}, {"Lake", "b"}});
  EXPECT_EQ(read_manifest(corpus).tiles, 2u);
  EXPECT_EQ(read_manifest(corpus).label_names.size(), 2u);
}

TEST_F(MergeCorpora, ATileOfTwoCorporaIsRefusedByName) {
  const auto one = labelled("one", "", {{"Forest", "a"}, {"Forest", "b"}, {"Forest", "c"}});
  const auto other = labelled("other", "", {{"Forest", "c"}, {"Forest", "b"}, {"Forest", "d"}});
  try {
    joined({one, other}, "both");
    ADD_FAILURE() << "the merge was not refused";
  } catch (const UsageError& error) {
    EXPECT_NE(error.message().find("b is in " + one.string() + " and in " + other.string()),
              std::string::npos)
        << error.message();
  }
  EXPECT_THROW(joined({one, one}, "twice"), UsageError);
  EXPECT_THROW(joined({one}, "alone"), UsageError);
}

TEST_F(MergeCorpora, ValuesWithAndWithoutTheOffsetDoNotMeet) {
  const auto never = labelled("never", "", {{"Forest", "a"}}, "offset = none\n");
  const auto taken_off = labelled("taken-off", "", {{"Forest", "b"}}, "offset = 1000 if low(VV) > 800\n");
  const auto unknown = labelled("unknown", "", {{"Forest", "c"}});
  const auto state = [&](const std::string& name) {
    return read_manifest(scratch_ / name).schema.find("s1_rtc")->offset_state;
  };
  joined({never, taken_off}, "known");
  EXPECT_EQ(state("known"), "harmonised");
  joined({unknown, never}, "as-delivered");
  EXPECT_EQ(state("as-delivered"), "as delivered");
  EXPECT_THROW(joined({never, taken_off, unknown}, "mixed"), UsageError);
}

}  // namespace
}  // namespace terramill::corpus
