#include "invented_index.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/sampling/plan.hpp>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

TEST(PlanFile, HasTheSameBytesForAnyRankCountAndReadsBack) {
  const auto comm = mpi::Communicator::world();
  const SharedScratch scratch(comm);
  const auto manifest = write_index(comm, scratch / "index.h5", invented_records(999, 64));
  const corpus::IndexReader index(scratch / "index.h5");
  SamplingOptions options;
  options.strategy = "landcover";
  options.tiles = 400;
  options.seed = 12;
  for (int ranks = 1; ranks <= comm.size(); ++ranks) {
    const auto part = comm.split(comm.rank() < ranks ? 0 : 1 + comm.rank(), comm.rank());
    if (comm.rank() < ranks) {
      const Plan plan = plan_epoch(part, index, manifest, options, 3);
      const auto path = scratch / ("plan-" + std::to_string(ranks) + ".h5");
      write_plan(part, plan, path);
      const Plan again = read_plan(part, path);
      EXPECT_EQ(again.options, options);
      EXPECT_EQ(again.epoch, 3u);
      EXPECT_EQ(again.content, manifest.content);
      EXPECT_EQ(again.strata, plan.strata);
      EXPECT_EQ(again.begin, plan.begin);
      EXPECT_EQ(again.entries, plan.entries);
    }
    comm.barrier();
    if (comm.rank() == 0) {
      EXPECT_EQ(read_bytes(scratch / "plan-1.h5"),
                read_bytes(scratch / ("plan-" + std::to_string(ranks) + ".h5")));
    }
  }
}

TEST(PlanFile, AnUnwritablePathFailsOnEveryRank) {
  const auto comm = mpi::Communicator::world();
  const SharedScratch scratch(comm);
  const auto manifest = write_index(comm, scratch / "index.h5", invented_records(50, 64));
  const Plan plan = plan_epoch(comm, corpus::IndexReader(scratch / "index.h5"), manifest, {}, 0);
  EXPECT_THROW(write_plan(comm, plan, scratch / "missing" / "plan.h5"), Error);
}

TEST(PlanFile, AFileThatIsNoPlanIsRefused) {
  const auto comm = mpi::Communicator::world();
  const SharedScratch scratch(comm);
  write_index(comm, scratch / "index.h5", invented_records(5, 64));
  EXPECT_THROW(read_plan(comm, scratch / "index.h5"), Error);
  EXPECT_THROW(read_plan(comm, scratch / "nothing.h5"), Error);
}

}  // namespace
}  // namespace terramill::sampling
