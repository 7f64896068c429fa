#include <terramill/loader/buffer.hpp>

#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

TEST(BufferPool, GivesTheSameMemoryAgain) {
  const auto pool = BufferPool::create(1000, Allocator::host());
  std::byte* first = nullptr;
  {
    const Buffer buffer = pool->take();
    first = buffer.data();
    EXPECT_EQ(buffer.bytes(), 1000u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
  }
  const Buffer again = pool->take();
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(pool->allocated(), 1u);
  const Buffer second = pool->take();
  EXPECT_NE(second.data(), first);
}

TEST(BufferPool, LivesAsLongAsItsBuffersAndReleasesAll) {
  int balance = 0;
  {
    Buffer kept;
    {
      const auto pool = BufferPool::create(
          64, {[&](std::size_t bytes) { return ++balance, Allocator::host().allocate(bytes); },
               [&](std::byte* memory, std::size_t bytes) {
                 --balance, Allocator::host().release(memory, bytes);
               }});
      kept = pool->take();
      Buffer other = pool->take();
      other = pool->take();
      EXPECT_EQ(balance, 3);
    }
    EXPECT_EQ(balance, 3);
    kept.data()[63] = std::byte{1};
  }
  EXPECT_EQ(balance, 0);
}

}  // namespace
}  // namespace terramill::loader
