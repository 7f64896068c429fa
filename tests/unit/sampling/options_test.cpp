#include <terramill/core/error.hpp>
#include <terramill/sampling/plan.hpp>

#include <functional>
#include <sstream>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

TEST(SamplingOptions, AreReadWithHyphensOrUnderASection) {
  std::ostringstream out;
  SamplingOptions plain, nested;
  OptionTable on_command_line("sample", "");
  add_options(on_command_line, plain, "");
  ASSERT_TRUE(on_command_line.parse({"--strategy", "landcover", "--balance-exponent", "0.25"}, out));
  OptionTable in_section("pretrain", "");
  add_options(in_section, nested, "sampling.");
  ASSERT_TRUE(
      in_section.parse({"--sampling.strategy", "landcover", "--sampling.balance_exponent", "0.25"}, out));
  EXPECT_EQ(plain, nested);
  EXPECT_EQ(plain.balance_exponent, 0.25);
}

TEST(SamplingOptions, OutOfRangeValuesAreRefusedByName) {
  const corpus::Schema schema = corpus::mmearth_schema(64);
  const std::vector<std::pair<std::string, std::function<void(SamplingOptions&)>>> faults = {
      {"strategy", [](SamplingOptions& o) { o.strategy = "fair"; }},
      {"balance_exponent", [](SamplingOptions& o) { o.balance_exponent = 1.5; }},
      {"biome_strata", [](SamplingOptions& o) { o.biome_strata = true; }},
      {"tiles", [](SamplingOptions& o) { o.tiles = -1; }},
      {"split", [](SamplingOptions& o) { o.split = "val"; }},
      {"region", [](SamplingOptions& o) { o.region = "10,60,20,50"; }},
      {"date_from", [](SamplingOptions& o) { o.date_from = "2019-02-30"; }},
      {"date_to", [](SamplingOptions& o) { o.date_to = "20190630"; }},
      {"date_to", [](SamplingOptions& o) { o.date_from = "2019-07-01", o.date_to = "2019-06-30"; }},
      {"months", [](SamplingOptions& o) { o.months = "6,13"; }},
      {"months", [](SamplingOptions& o) { o.months = "June"; }},
      {"biomes", [](SamplingOptions& o) { o.biomes = "3,14"; }},
      {"max_cloud", [](SamplingOptions& o) { o.max_cloud = 101; }},
      {"cloud_unknown", [](SamplingOptions& o) { o.cloud_unknown = "maybe"; }},
      {"drop_ocean", [](SamplingOptions& o) { o.drop_ocean = 98; }},
      {"modalities", [](SamplingOptions& o) { o.modalities = "sentinel2,sentinel9"; }},
      {"max_repeats", [](SamplingOptions& o) { o.max_repeats = -1; }},
      {"shuffle_window", [](SamplingOptions& o) { o.shuffle_window = -2; }},
      {"reserve_share", [](SamplingOptions& o) { o.reserve_share = 2; }},
  };
  EXPECT_NO_THROW(validate(SamplingOptions{}, schema));
  for (const auto& [option, spoil] : faults) {
    SamplingOptions options;
    spoil(options);
    try {
      validate(options, schema);
      ADD_FAILURE() << option << " was accepted";
    } catch (const UsageError& error) {
      EXPECT_EQ(error.context().subject, option);
    }
  }
}

}  // namespace
}  // namespace terramill::sampling
