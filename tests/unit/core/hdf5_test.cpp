#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hdf5.hpp>

#include <array>
#include <chrono>
#include <numeric>
#include <thread>

namespace terramill {
namespace {

using testing::contains;
using testing::Scratch;
using testing::text_of;

template <typename T>
class Hdf5Type : public ::testing::Test {};
using Types = ::testing::Types<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t,
                               std::int32_t, std::uint64_t, std::int64_t, float, double>;
TYPED_TEST_SUITE(Hdf5Type, Types);

TYPED_TEST(Hdf5Type, ValuesReadBackWholeAndByRows) {
  const Scratch scratch;
  std::vector<TypeParam> values(24);
  std::iota(values.begin(), values.end(), TypeParam{3});
  values.front() = std::numeric_limits<TypeParam>::max();
  values.back() = std::numeric_limits<TypeParam>::lowest();
  const std::array<hsize_t, 3> shape = {4, 3, 2};
  {
    const auto file = h5::create_file(scratch / "a.h5");
    h5::write_dataset<TypeParam>(file, "values", shape, values);
  }
  const auto file = h5::open_file(scratch / "a.h5");
  EXPECT_EQ(h5::read_dataset<TypeParam>(file, "values"), values);
  EXPECT_EQ(h5::read_rows<TypeParam>(file, "values", 1, 2),
            std::vector<TypeParam>(values.begin() + 6, values.begin() + 18));
  EXPECT_TRUE(h5::read_rows<TypeParam>(file, "values", 4, 0).empty());
  EXPECT_EQ(h5::shape_of(file, "values"), std::vector<hsize_t>(shape.begin(), shape.end()));
}

void write_sample(const std::filesystem::path& path) {
  const auto file = h5::create_file(path);
  const std::array<hsize_t, 1> shape = {3};
  const std::array<double, 3> values = {1, 2, 3};
  h5::write_dataset<double>(file, "lon", shape, values);
  h5::write_strings(file, "tile_id", 6, std::vector<std::string>{"a", "", "tile-3"});
  h5::write_attribute(file, "schema", std::string("mmearth"));
  h5::write_attribute(file, "version", 7);
}

TEST(Hdf5, EqualContentIsEqualBytes) {
  const Scratch scratch;
  write_sample(scratch / "a.h5");
  write_sample(scratch / "b.h5");
  EXPECT_EQ(read_text(scratch / "a.h5"), read_text(scratch / "b.h5"));
}

TEST(Hdf5, NoObjectKnowsATime) {
  const Scratch scratch;
  write_sample(scratch / "a.h5");
  const h5::Lock lock(h5::mutex());
  const auto file = h5::open_file(scratch / "a.h5");
  for (const char* name : {"/", "lon", "tile_id"}) {
    H5O_info_t info{};
    ASSERT_GE(H5Oget_info_by_name2(file, name, &info, H5O_INFO_TIME, H5P_DEFAULT), 0);
    EXPECT_EQ(info.atime + info.mtime + info.ctime + info.btime, 0) << name;
  }
}

TEST(Hdf5, TextAndAttributesReadBack) {
  const Scratch scratch;
  write_sample(scratch / "a.h5");
  const auto file = h5::open_file(scratch / "a.h5");
  EXPECT_EQ(h5::read_strings(file, "tile_id", 0, 3), (std::vector<std::string>{"a", "", "tile-3"}));
  EXPECT_EQ(h5::read_strings(file, "tile_id", 2, 1), std::vector<std::string>{"tile-3"});
  EXPECT_EQ(h5::read_text_attribute(file, "schema"), "mmearth");
  EXPECT_EQ(h5::read_integer_attribute(file, "version"), 7);
  EXPECT_TRUE(h5::has(file, "lon"));
  EXPECT_FALSE(h5::has(file, "lat"));
}

TEST(Hdf5, AttributesAreReplaced) {
  const Scratch scratch;
  const auto file = h5::create_file(scratch / "a.h5");
  h5::write_attribute(file, "note", std::string(""));
  EXPECT_EQ(h5::read_text_attribute(file, "note"), "");
  h5::write_attribute(file, "note", std::string("longer"));
  EXPECT_EQ(h5::read_text_attribute(file, "note"), "longer");
}

TEST(Hdf5, EmptyDatasetsKeepTheirShape) {
  const Scratch scratch;
  const auto file = h5::create_file(scratch / "a.h5");
  const std::array<hsize_t, 2> shape = {0, 12};
  h5::write_dataset<float>(file, "none", shape, {});
  h5::write_strings(file, "names", 8, {});
  EXPECT_EQ(h5::shape_of(file, "none"), (std::vector<hsize_t>{0, 12}));
  EXPECT_TRUE(h5::read_dataset<float>(file, "none").empty());
  EXPECT_TRUE(h5::read_strings(file, "names", 0, 0).empty());
}

TEST(Hdf5, WhatTheFileDoesNotHoldIsAFormatError) {
  const Scratch scratch;
  write_sample(scratch / "a.h5");
  const auto file = h5::open_file(scratch / "a.h5");
  const auto missing =
      text_of<FormatError>([&] { static_cast<void>(h5::read_dataset<double>(file, "lat")); });
  EXPECT_TRUE(contains(missing, "the dataset lat of " + (scratch / "a.h5").string() + " is missing"));
  EXPECT_THROW(static_cast<void>(h5::shape_of(file, "lat")), FormatError);
  EXPECT_TRUE(
      contains(text_of<FormatError>([&] { static_cast<void>(h5::read_rows<double>(file, "lon", 2, 2)); }),
               "has 3 rows, but rows 2 to 4 are wanted"));
  EXPECT_THROW(static_cast<void>(h5::read_rows<double>(file, "lon", 1, ~hsize_t{0})), FormatError);
  EXPECT_TRUE(
      contains(text_of<FormatError>([&] { static_cast<void>(h5::read_dataset<std::int64_t>(file, "lon")); }),
               "64-bit floating-point numbers, which cannot be read as 64-bit integers"));
  EXPECT_THROW(static_cast<void>(h5::read_strings(file, "lon", 0, 1)), FormatError);
  EXPECT_THROW(static_cast<void>(h5::read_dataset<double>(file, "tile_id")), FormatError);
  EXPECT_THROW(static_cast<void>(h5::read_text_attribute(file, "absent")), FormatError);
  EXPECT_THROW(static_cast<void>(h5::read_integer_attribute(file, "schema")), FormatError);
}

TEST(Hdf5, WrongWritesAreRefused) {
  const Scratch scratch;
  const auto file = h5::create_file(scratch / "a.h5");
  const std::array<hsize_t, 1> shape = {3};
  EXPECT_THROW(h5::write_dataset<float>(file, "x", shape, std::array<float, 2>{}), LibraryError);
  EXPECT_THROW(h5::write_strings(file, "t", 2, std::vector<std::string>{"abc"}), FormatError);
  h5::write_dataset<float>(file, "x", shape, std::array<float, 3>{});
  const auto twice =
      text_of<LibraryError>([&] { h5::write_dataset<float>(file, "x", shape, std::array<float, 3>{}); });
  EXPECT_TRUE(contains(twice, "HDF5 cannot create a dataset: "));
  EXPECT_TRUE(contains(twice, "name already exists"));
}

TEST(Hdf5, BrokenFilesAreToldFromMissingOnes) {
  const Scratch scratch;
  EXPECT_TRUE(contains(text_of<IoError>([&] { static_cast<void>(h5::open_file(scratch / "absent.h5")); }),
                       "No such file or directory"));
  write_file_durably(scratch / "text.h5", "this is no HDF5 file");
  EXPECT_TRUE(contains(text_of<FormatError>([&] { static_cast<void>(h5::open_file(scratch / "text.h5")); }),
                       "is no whole HDF5 file"));
  write_sample(scratch / "a.h5");
  const std::string whole = read_text(scratch / "a.h5");
  write_file_durably(scratch / "half.h5", std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_TRUE(contains(text_of<FormatError>([&] { static_cast<void>(h5::open_file(scratch / "half.h5")); }),
                       "truncated"));
}

TEST(Hdf5, NothingIsPrintedByTheLibrary) {
  const Scratch scratch;
  ::testing::internal::CaptureStderr();
  EXPECT_THROW(static_cast<void>(h5::open_file(scratch / "absent.h5")), Error);
  EXPECT_THROW(static_cast<void>(h5::create_file(scratch / "absent" / "a.h5")), IoError);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Hdf5, HandlesAreClosedOnce) {
  const Scratch scratch;
  auto first = h5::create_file(scratch / "a.h5");
  auto second = std::move(first);
  EXPECT_LT(first.get(), 0);  // NOLINT(bugprone-use-after-move): the state after a move is what is tested
  second.reset();
  EXPECT_LT(second.get(), 0);
  second.reset();
  EXPECT_NO_THROW(static_cast<void>(h5::open_file(scratch / "a.h5")));
}

TEST(Hdf5, ThreadsTakeTurns) {
  const Scratch scratch;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&scratch, t] {
      const auto path = scratch / (std::to_string(t) + ".h5");
      for (int i = 0; i < 10; ++i) {
        write_sample(path);
        const auto file = h5::open_file(path);
        EXPECT_EQ(h5::read_strings(file, "tile_id", 2, 1).front(), "tile-3");
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

/// Whether any thread says that it does `what`.
bool said(const std::string& what) {
  for (const ThreadActivities& thread : current_activities()) {
    for (const auto& activity : thread.activities) {
      if (activity.text.find(what) != std::string::npos) return true;
    }
  }
  return false;
}

TEST(Hdf5, WhoWaitsForTheLockSaysSo) {
  std::thread other;
  {
    const h5::Lock lock(h5::mutex());
    other = std::thread([] { const h5::Lock waits(h5::mutex()); });
    while (!said("wait for HDF5's lock")) std::this_thread::yield();
  }
  other.join();
  EXPECT_FALSE(said("wait for HDF5's lock"));
}

TEST(Hdf5, WhatIsReadIsABeat) {
  const Scratch scratch;
  write_sample(scratch / "a.h5");
  const auto file = h5::open_file(scratch / "a.h5");
  const Watched watched("reader");
  const auto begin = std::chrono::steady_clock::now();
  h5::read_strings(file, "tile_id", 2, 1);
  EXPECT_EQ(silences(begin).front().seconds, 0);
}

}  // namespace
}  // namespace terramill
