#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/file.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

namespace fs = std::filesystem;
using terramill::testing::flip_byte;
using terramill::testing::invented_state;
using terramill::testing::SharedScratch;

/// What is thrown when a checkpoint is read whole; empty when nothing is.
std::string fault_of(const fs::path& checkpoint) {
  try {
    Reader(checkpoint).verify();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class Damage : public ::testing::Test {
 protected:
  mpi::Communicator world = mpi::Communicator::world();
  SharedScratch scratch{world};
  fs::path first = save(world, scratch.path(), 1, invented_state(1), {{"seed", 9}});
  fs::path second = save(world, scratch.path(), 2, invented_state(2), {{"seed", 9}});
};

TEST_F(Damage, AFlippedByteIsFoundInAnyFileAtAnyPlace) {
  if (world.rank() != 0) return;
  for (const auto& entry : fs::directory_iterator(second)) {
    const auto size = entry.file_size();
    for (std::uint64_t at = 0; at < size; at += 1 + size / 97) {
      flip_byte(entry.path(), at);
      EXPECT_NE(fault_of(second), "") << entry.path() << " at " << at;
      flip_byte(entry.path(), at);
    }
  }
  EXPECT_EQ(fault_of(second), "");
}

TEST_F(Damage, IsNamedByFileAndTensor) {
  if (world.rank() != 0) return;
  const Slice slice = Reader(second).entry("model.conv.weight").slices.front();
  flip_byte(second / slice.file, slice.offset + 5);
  const Reader reader(second);
  try {
    reader.read("model.conv.weight");
    FAIL() << "the flipped byte was not seen";
  } catch (const IntegrityError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find((second / slice.file).string()), std::string::npos) << text;
    EXPECT_NE(text.find("model.conv.weight"), std::string::npos) << text;
  }
  EXPECT_NO_THROW(reader.read("flags")) << "other tensors are whole";
}

TEST_F(Damage, MakesTheCheckpointBeforeCount) {
  const fs::path copy = scratch.path() / "copy", file = second / "rank-00000.safetensors",
                 index = second / "index.json";
  const bool root = world.rank() == 0;
  if (root) fs::copy(second, copy, fs::copy_options::recursive);
  /// Each sort of damage by itself.
  const auto expect_first_after = [&](const char* damage, const std::function<void()>& act) {
    if (root) act();
    world.barrier();
    EXPECT_EQ(find_latest(world, scratch.path()), first) << damage;
    world.barrier();
    if (!root) return;
    fs::remove_all(second);
    fs::copy(copy, second, fs::copy_options::recursive);
  };
  expect_first_after("a flipped byte", [&] { flip_byte(file, fs::file_size(file) - 1); });
  expect_first_after("a truncated file", [&] { fs::resize_file(file, fs::file_size(file) - 1); });
  expect_first_after("an empty file", [&] { fs::resize_file(file, 0); });
  expect_first_after("a missing file", [&] { fs::remove(file); });
  expect_first_after("a folder in place of a file", [&] {
    fs::remove(file);
    fs::create_directory(file);
  });
  expect_first_after("a truncated index", [&] { fs::resize_file(index, fs::file_size(index) / 2); });
  expect_first_after("an empty index", [&] { fs::resize_file(index, 0); });
  expect_first_after("no index", [&] { fs::remove(index); });
  expect_first_after("an empty folder", [&] {
    fs::remove_all(second);
    fs::create_directory(second);
  });
  world.barrier();
  EXPECT_EQ(find_latest(world, scratch.path()), second) << "whole again";
}

TEST_F(Damage, OfEveryCheckpointIsToldEvenWithoutAnIndex) {
  if (world.rank() == 0) {
    flip_byte(first / "index.json", 40);
    fs::remove(second / "index.json");
  }
  world.barrier();
  EXPECT_EQ(find_latest(world, scratch.path()), std::nullopt) << "none is whole";
  EXPECT_EQ(list(scratch.path()), (std::vector{first, second})) << "but the run is not a new one";
}

TEST_F(Damage, AskedForByNameIsAnError) {
  if (world.rank() != 0) return;
  const fs::path index = second / "index.json";
  const std::string text = read_text(index);
  write_file_durably(index, text.substr(0, text.size() / 2));
  EXPECT_THROW(Reader{second}, FormatError);
  write_file_durably(index, "{\"format\": \"something else\"}");
  EXPECT_THROW(Reader{second}, FormatError);
  fs::remove(index);
  EXPECT_THROW(Reader{second}, IoError);
  write_file_durably(index, text);
  EXPECT_EQ(fault_of(second), "");
  fs::remove(second / "rank-00000.safetensors");
  EXPECT_THROW(Reader{second}, IoError);
}

}  // namespace
}  // namespace terramill::checkpoint
