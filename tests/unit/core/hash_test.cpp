#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>

#include <vector>

namespace terramill {
namespace {

using testing::Scratch;

std::vector<std::byte> random_bytes(std::size_t count) {
  PhiloxStream random(1, Purpose::kTest, count);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(Hash, AgreesWithThePublishedValueOfNothing) {
  // XXH3_64bits of the empty input, seed 0: xxHash's own sanity test.
  EXPECT_EQ(xxh3(std::string_view()), 0x2D06800538D394C2U);
  EXPECT_EQ(Xxh3().digest(), 0x2D06800538D394C2U);
}

TEST(Hash, StreamEqualsWholeForAnyCut) {
  const auto bytes = random_bytes(5000);
  for (const std::size_t cut : {0U, 1U, 15U, 16U, 240U, 241U, 1024U, 4999U, 5000U}) {
    Xxh3 hash;
    hash.update(std::span(bytes).first(cut));
    hash.update(std::span(bytes).subspan(cut));
    EXPECT_EQ(hash.digest(), xxh3(bytes)) << cut;
  }
}

TEST(Hash, IntegersAreHashedLittleEndian) {
  Xxh3 hash;
  hash.update_u64(0x0807060504030201U);
  EXPECT_EQ(hash.digest(), xxh3(std::string_view("\1\2\3\4\5\6\7\10")));
}

TEST(Hash, FileEqualsItsBytesBeyondOneBlock) {
  const Scratch scratch;
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, (std::size_t{1} << 20) + 3}) {
    const auto bytes = random_bytes(size);
    auto file = FileDescriptor::create(scratch / "data");
    file.write(bytes);
    EXPECT_EQ(xxh3_file(scratch / "data"), xxh3(bytes)) << size;
  }
}

TEST(Hash, HexadecimalFormReadsBackAndNothingElseDoes) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{0x0123456789abcdef}, ~std::uint64_t{0}}) {
    EXPECT_EQ(from_hex(to_hex(value)), value);
  }
  EXPECT_EQ(to_hex(0xabc), "0000000000000abc");
  for (const char* text :
       {"", "abc", "0123456789ABCDEF", "0123456789abcdeg", "0123456789abcdef0", "0x23456789abcdef"}) {
    EXPECT_THROW(from_hex(text), FormatError) << text;
  }
}

}  // namespace
}  // namespace terramill
