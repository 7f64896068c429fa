#include <terramill/core/trace.hpp>
#include <terramill/mpi/clock_offset.hpp>

#include <cstdlib>

#include <gtest/gtest.h>

namespace terramill::mpi {
namespace {

TEST(ClockOffset, IsWithinHalfARoundTripOnOneMachine) {
  // All ranks of this test read one clock, so the true offset is 0.
  const Communicator world = Communicator::world();
  const ClockOffset clock = clock_offset(world);
  EXPECT_LE(std::abs(clock.offset), clock.round_trip / 2 + 1);
  EXPECT_EQ(clock.round_trip > 0, world.rank() > 0);
}

}  // namespace
}  // namespace terramill::mpi
