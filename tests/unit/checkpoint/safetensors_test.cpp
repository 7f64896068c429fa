#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/checkpoint/safetensors.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

using testing::contains;
using testing::Scratch;
using testing::text_of;

/// A file with the given header text and as many data bytes.
std::filesystem::path raw_file(const Scratch& scratch, const std::string& header, std::size_t data) {
  const auto path = scratch / "raw.safetensors";
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t length = header.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << header << std::string(data, 'x');
  return path;
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

NamedTensors one_of_each_type() {
  NamedTensors tensors;
  for (const auto type : {at::kChar, at::kByte, at::kBool, at::kShort, at::kHalf, at::kBFloat16, at::kInt,
                          at::kFloat, at::kLong, at::kDouble, at::kUInt16, at::kUInt32, at::kUInt64}) {
    tensors.emplace_back(c10::toString(type), at::arange(7, at::kLong).remainder(2).to(type));
  }
  tensors.emplace_back("scalar", at::scalar_tensor(2.5, at::kFloat));
  tensors.emplace_back("empty", at::empty({3, 0}, at::kFloat));
  tensors.emplace_back("a \"quoted\"\n name: ä", at::ones({2, 3}, at::kFloat).t());
  return tensors;
}

TEST(Safetensors, EveryTypeShapeAndNameComesBack) {
  const Scratch scratch;
  const auto written = one_of_each_type();
  save_tensors(scratch / "all.safetensors", written, {{"step", "12"}, {"corpus", "ü"}});
  const SafetensorsReader file(scratch / "all.safetensors");
  EXPECT_EQ(file.metadata(), (Metadata{{"step", "12"}, {"corpus", "ü"}}));
  EXPECT_EQ(file.tensors().size(), written.size());
  for (const auto& [name, tensor] : written) {
    const at::Tensor back = read_tensor(file, name);
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(back.sizes(), tensor.sizes()) << name;
    if (back.numel() == 0) continue;  // holds no pointer that memcmp takes
    EXPECT_EQ(std::memcmp(back.data_ptr(), tensor.contiguous().data_ptr(), back.nbytes()), 0) << name;
  }
}

TEST(Safetensors, TensorsAreAlignedToTheirElements) {
  const Scratch scratch;
  save_tensors(scratch / "all.safetensors", one_of_each_type());
  const SafetensorsReader file(scratch / "all.safetensors");
  for (const TensorInfo& tensor : file.tensors()) {
    EXPECT_EQ(tensor.offset % size_of(tensor.dtype), 0U) << tensor.name;
  }
}

TEST(Safetensors, EqualContentGivesEqualBytes) {
  const Scratch scratch;
  save_tensors(scratch / "a.safetensors", one_of_each_type(), {{"b", "1"}, {"a", "2"}});
  save_tensors(scratch / "b.safetensors", one_of_each_type(), {{"a", "2"}, {"b", "1"}});
  EXPECT_EQ(read_bytes(scratch / "a.safetensors"), read_bytes(scratch / "b.safetensors"));
}

TEST(Safetensors, SliceReadsItsBytesAndNoOthers) {
  const Scratch scratch;
  save_tensors(scratch / "t.safetensors", {{"t", at::arange(10, at::kInt)}});
  const SafetensorsReader file(scratch / "t.safetensors");
  const TensorInfo& tensor = file.at("t");
  std::int32_t two[2];
  file.read_into(tensor, 4 * sizeof(std::int32_t), std::as_writable_bytes(std::span(two)));
  EXPECT_EQ(two[0], 4);
  EXPECT_EQ(two[1], 5);
  EXPECT_THROW(file.read_into(tensor, 9 * sizeof(std::int32_t), std::as_writable_bytes(std::span(two))),
               FormatError);
  EXPECT_EQ(file.find("u"), nullptr);
  EXPECT_THROW(file.read("u"), FormatError);
}

TEST(Safetensors, FileAppearsOnlyWhenFinished) {
  const Scratch scratch;
  const auto path = scratch / "t.safetensors";
  const std::vector<std::byte> bytes(8);
  {
    SafetensorsWriter writer(path, {{"t", Dtype::kF32, {2}}, {"u", Dtype::kF32, {2}}});
    writer.write("u", bytes);
    EXPECT_TRUE(contains(text_of<FormatError>([&] { writer.finish(); }), "tensor t"));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
  SafetensorsWriter writer(path, {{"t", Dtype::kF32, {2}}});
  EXPECT_THROW(writer.write("v", bytes), FormatError);
  EXPECT_THROW(writer.write("t", std::span(bytes).first(4)), FormatError);
  writer.write("t", bytes);
  EXPECT_THROW(writer.write("t", bytes), FormatError);
  writer.finish();
  EXPECT_EQ(std::filesystem::file_size(path), writer.file_size());
}

TEST(Safetensors, TensorsOfManyBlocksAreWhereAndWhatTheWriterSays) {
  const Scratch scratch;
  for (const bool durable : {true, false}) {
    const auto path = scratch / (durable ? "durable.safetensors" : "fleeting.safetensors");
    // No whole number of blocks or pages; the last first, so that not all is one run of bytes.
    const std::vector<std::pair<std::string, std::int64_t>> tensors = {
        {"c", 5'000'011}, {"a", 2'700'001}, {"none", 0}, {"b", 9}};
    SafetensorsWriter writer(path,
                             {{"a", Dtype::kF32, {2'700'001}},
                              {"b", Dtype::kF32, {9}},
                              {"c", Dtype::kF32, {5'000'011}},
                              {"none", Dtype::kF32, {0}}},
                             {}, durable);
    std::map<std::string, SafetensorsWriter::Written> written;
    std::map<std::string, at::Tensor> values;
    for (const auto& [name, count] : tensors) {
      values[name] = at::rand({count});
      written[name] = writer.write(name, bytes_of(values[name]));
    }
    writer.finish();
    const auto file = FileDescriptor::open_read(path);
    EXPECT_EQ(file.size(), writer.file_size());
    std::vector<std::byte> header(writer.header_size());
    file.read_at(0, header);
    EXPECT_EQ(xxh3(header), writer.header_hash());
    const SafetensorsReader reader(path);
    for (const auto& [name, where] : written) {
      EXPECT_EQ(reader.at(name).offset, where.offset) << name;
      const std::vector<std::byte> bytes = reader.read(name);
      EXPECT_EQ(xxh3(bytes), where.xxh3) << name;
      EXPECT_TRUE(std::ranges::equal(bytes, bytes_of(values[name]))) << name;
    }
  }
}

TEST(Safetensors, RepeatedReservedAndImpossibleTensorsAreRefused) {
  const Scratch scratch;
  const auto open = [&](const std::vector<TensorSpec>& specs) {
    SafetensorsWriter(scratch / "t.safetensors", specs);
  };
  EXPECT_THROW(open({{"t", Dtype::kU8, {1}}, {"t", Dtype::kU8, {1}}}), FormatError);
  EXPECT_THROW(open({{"__metadata__", Dtype::kU8, {1}}}), FormatError);
  EXPECT_THROW(open({{"t", Dtype::kU8, {-1}}}), FormatError);
  EXPECT_THROW(open({{"t", Dtype::kF64, {std::int64_t{1} << 62, 8}}}), FormatError);
}

TEST(Safetensors, DamagedFilesAreRefusedWithFileAndTensor) {
  struct Case {
    std::string header;
    std::size_t data;
    std::string says;
  };
  const std::string two = R"("t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::vector<Case> cases{
      {"{" + two + "}", 4, "tensor t"},             // truncated
      {"{" + two + "}", 9, "belong to no tensor"},  // trailing bytes
      {"{" + two + R"(,"u":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}})", 10, "tensor u"},  // hole
      {"{" + two + R"(,"u":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}})", 8, "tensor u"},    // overlap
      {R"({"t":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", 8, "F33"},
      {R"({"t":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "tensor t"},
      {R"({"t":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "tensor t"},
      {R"({"t":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "tensor t"},
      {R"({"t":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0, "tensor t"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "tensor t"},
      {R"({"t":{"dtype":"F32","data_offsets":[0,8]}})", 8, "tensor t"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__"},
      {R"(["t"])", 0, "begin with"},
      {R"({"t":)", 0, "raw.safetensors"},
  };
  const Scratch scratch;
  for (const Case& damaged : cases) {
    const auto path = raw_file(scratch, damaged.header, damaged.data);
    const std::string text = text_of<FormatError>([&] { SafetensorsReader{path}; });
    EXPECT_TRUE(contains(text, damaged.says)) << damaged.header;
    EXPECT_TRUE(contains(text, "raw.safetensors")) << damaged.header;
  }
  write_file_durably(scratch / "short", "1234");
  EXPECT_THROW(SafetensorsReader{scratch / "short"}, FormatError);
  write_file_durably(scratch / "long", std::string(8, '\x7f') + "{}");
  EXPECT_TRUE(
      contains(text_of<FormatError>([&] { SafetensorsReader{scratch / "long"}; }), "header's length"));
  EXPECT_THROW(SafetensorsReader{scratch / "absent"}, IoError);
}

}  // namespace
}  // namespace terramill::checkpoint
