#include <terramill/core/error.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/codec.hpp>

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

std::vector<std::byte> values_of(std::size_t bytes, std::uint64_t alphabet) {
  PhiloxStream stream(1, Purpose::kTest, bytes, alphabet);
  std::vector<std::byte> values(bytes);
  for (std::byte& value : values) value = static_cast<std::byte>(stream.below(alphabet));
  return values;
}

TEST(Codec, EveryChunkComesBack) {
  for (const Codec codec : {Codec::kDeflate, Codec::kZstd, Codec::kNone}) {
    ChunkEncoder encoder(codec, 3);
    ChunkDecoder decoder(codec);
    for (const std::size_t element : {1u, 2u, 4u, 8u}) {
      for (const std::size_t count : {1u, 7u, 4096u}) {
        for (const std::uint64_t alphabet : {1u, 5u, 256u}) {
          const auto values = values_of(element * count, alphabet);
          std::vector<std::byte> again(values.size());
          decoder.decode(encoder.encode(values, element), element, again);
          EXPECT_EQ(again, values) << name_of(codec) << ' ' << element << ' ' << count << ' ' << alphabet;
        }
      }
    }
  }
}

TEST(Codec, ChunksOfAnotherSizeAreRefused) {
  const auto values = values_of(4096, 5);
  for (const Codec codec : {Codec::kDeflate, Codec::kZstd, Codec::kNone}) {
    ChunkEncoder encoder(codec, 6);
    ChunkDecoder decoder(codec);
    const auto encoded = encoder.encode(values, 2);
    const std::vector<std::byte> stored(encoded.begin(), encoded.end());
    for (const std::size_t size : {2048u, 4094u, 4098u, 8192u}) {
      std::vector<std::byte> again(size);
      EXPECT_THROW(decoder.decode(stored, 2, again), FormatError) << name_of(codec) << ' ' << size;
    }
    std::vector<std::byte> again(values.size());
    EXPECT_THROW(decoder.decode(std::span(stored).first(stored.size() / 2), 2, again), FormatError);
  }
}

TEST(Codec, ShuffleGathersTheBytesOfEveryPlace) {
  const std::vector<std::byte> values = {std::byte{1}, std::byte{2}, std::byte{3},
                                         std::byte{4}, std::byte{5}, std::byte{6}};
  const std::vector<std::byte> pairs = {std::byte{1}, std::byte{3}, std::byte{5},
                                        std::byte{2}, std::byte{4}, std::byte{6}};
  std::vector<std::byte> out(values.size());
  shuffle(values, 2, out);
  EXPECT_EQ(out, pairs);
  std::vector<std::byte> back(values.size());
  unshuffle(out, 2, back);
  EXPECT_EQ(back, values);
}

TEST(Codec, WrongNamesAndLevelsAreRefused) {
  EXPECT_THROW(codec_from("gzip"), UsageError);
  EXPECT_THROW(ChunkEncoder(Codec::kDeflate, 13), UsageError);
  EXPECT_THROW(ChunkEncoder(Codec::kZstd, 0), UsageError);
}

}  // namespace
}  // namespace terramill::corpus
