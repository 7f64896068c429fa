#include "raw_corpus.hpp"

#include <terramill/corpus/build.hpp>

namespace terramill::corpus {
namespace {

using CorpusLayout = RawCorpusTest;

TEST_F(CorpusLayout, SameBytesForAnyRankAndThreadCount) {
  const auto self = mpi::Communicator::self();
  BuildOptions alone = options("alone");
  if (world_.rank() == 0) build(self, alone);
  for (const int threads : {1, 2, 3}) {
    BuildOptions together = alone;
    together.output = scratch_ / ("threads-" + std::to_string(threads));
    together.threads = threads;
    const BuildReport report = build(world_, together);
    EXPECT_EQ(report.tiles, 62u);
    EXPECT_EQ(report.quarantined, 2u);
    if (world_.rank() == 0) {
      EXPECT_EQ(files(together.output), files(alone.output)) << threads << " threads";
    }
  }
}

TEST_F(CorpusLayout, SameBytesForAnyRankCountLikeTheReference) {
  const auto self = mpi::Communicator::self();
  BuildOptions alone = options("alone");
  alone.source.reference = true;
  if (world_.rank() == 0) build(self, alone);
  BuildOptions together = alone;
  together.output = scratch_ / "together";
  build(world_, together);
  if (world_.rank() == 0) {
    EXPECT_EQ(files(together.output), files(alone.output));
  }
}

}  // namespace
}  // namespace terramill::corpus
