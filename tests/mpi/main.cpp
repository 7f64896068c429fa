// The main of every MPI test binary: each rank runs the same cases; rank 0 prints them, other ranks only what
// failed.

#include <terramill/mpi/communicator.hpp>

#include <cstdio>

#include <gtest/gtest.h>

namespace {

class FailuresOnly : public testing::EmptyTestEventListener {
 public:
  explicit FailuresOnly(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_, result.file_name() ? result.file_name() : "?",
                   result.line_number(), result.summary());
    }
  }

 private:
  int rank_;
};

/// A case that failed on one rank may leave the others in a collective call; end the job rather than hang.
class AbortOnFailure : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& info) override {
    if (info.result()->Failed()) terramill::mpi::abort_job(1);
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  terramill::mpi::Session session(&argc, &argv);
  const terramill::mpi::Communicator world = terramill::mpi::Communicator::world();
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly(world.rank()));
  }
  if (world.size() > 1) listeners.Append(new AbortOnFailure);
  const int failed = RUN_ALL_TESTS();
  const testing::UnitTest& unit = *testing::UnitTest::GetInstance();
  if (world.rank() == 0 && unit.test_to_run_count() > 0 &&
      unit.skipped_test_count() == unit.test_to_run_count()) {
    std::puts("ALL TESTS SKIPPED");
  }
  return world.max(failed);
}
