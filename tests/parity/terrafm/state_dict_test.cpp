#include "terrafm_vectors.hpp"

namespace terramill::parity {
namespace {

/// The size's parameters against the official list, which is in the order of the state dict.
void check_size(const std::string& size, const std::string& listed_as) {
  const std::filesystem::path list = shared_folder() / "spec" / "terrafm-state-dict.json";
  if (!std::filesystem::exists(list)) GTEST_SKIP() << "no list of the official parameters, " << list;
  const Json expected = read_json(list).at(listed_as);
  model::TerrafmConfig config = model::terrafm_size(size);
  config.fusion_queries = 0;
  const model::Terrafm net(config);

  const auto own = net.named_parameters();
  auto parameter = own.begin();
  std::int64_t count = 0;
  for (const auto& [name, shape] : expected.at("keys").items()) {
    ASSERT_NE(parameter, own.end()) << name << " is missing";
    EXPECT_EQ(parameter->key(), name);
    EXPECT_EQ(parameter->value().sizes().vec(), shape.get<std::vector<std::int64_t>>()) << name;
    count += parameter->value().numel();
    ++parameter;
  }
  EXPECT_EQ(own.size(), expected.at("n_tensors").get<std::size_t>());
  EXPECT_EQ(count, expected.at("params").get<std::int64_t>());
  EXPECT_EQ(net.named_buffers().size(), expected.at("buffers").get<std::size_t>());
}

TEST(TerrafmStateDict, BaseHasTheOfficialNamesShapesAndOrder) { check_size("base", "ViT-B"); }

TEST(TerrafmStateDict, LargeHasTheOfficialNamesShapesAndOrder) { check_size("large", "ViT-L"); }

TEST(TerrafmStateDict, FusionAddsItsParametersBetweenProjectionAndBlocks) {
  model::TerrafmConfig config;
  config.image_size = config.patch_size = 4;
  config.embed_dim = config.heads = 2;
  config.depth = 1;
  config.fusion_heads = 3;
  const auto with = model::Terrafm(config).named_parameters().keys();
  config.fusion_queries = 0;
  auto expected = model::Terrafm(config).named_parameters().keys();
  const std::vector<std::string> added{"patch_embed.fusion.query", "patch_embed.fusion.pool",
                                       "patch_embed.fusion.key.weight"};
  expected.insert(std::ranges::find(expected, "blocks.0.norm1.weight"), added.begin(), added.end());
  EXPECT_EQ(with, expected);
}

}  // namespace
}  // namespace terramill::parity
