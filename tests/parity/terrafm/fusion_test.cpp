#include "terrafm_vectors.hpp"

namespace terramill::parity {
namespace {

class TerrafmFusion : public TerrafmVectors {};

TEST_P(TerrafmFusion, EveryIntermediateAndGradientEqualsTheDesigns) {
  const Vectors vectors = open("design_fusion_dualcenter");
  model::TerrafmConfig config = encoder_config(vectors.config().at("encoder"));
  config.fusion_queries = vectors.config().at("n_query").get<std::int64_t>();
  config.fusion_heads = vectors.config().at("fusion_heads").get<std::int64_t>();
  model::Terrafm net(config);

  load(net, vectors, "init/backbone.");

  Results results;
  const std::map<std::string, std::vector<std::string>> runs{{"m2", {"s1", "s2_l1c"}},
                                                             {"m3", {"s1", "s2_l2a", "s2_l1c"}}};
  for (const auto& [run, sensors] : runs) {
    const std::string at = "fusion/" + run + "/";
    model::SensorImages images;
    for (const std::string& sensor : sensors) {
      images[model::sensor_from(sensor)] = vectors.real("fusion/input/" + sensor);
    }
    net.zero_grad(/*set_to_none=*/true);
    model::TerrafmTrace trace;
    const at::Tensor cls = net.forward(images);
    (cls * vectors.real("fusion/loss_R")).sum().backward();
    results.emplace(at + "cls", cls);
    results.emplace(at + "cls", net.forward(images, {}, &trace));
    results.emplace(at + "attn", trace.fusion_attention);
    results.emplace(at + "z", trace.fusion_values);
    results.emplace(at + "w", trace.fusion_weights);
    results.emplace(at + "fused", trace.fused);
    add_gradients(results, net, at + "grad/");
  }
  compare(vectors, results, {"fusion/"});
}

INSTANTIATE_TEST_SUITE_P(Precision, TerrafmFusion, testing::Values("float64", "float32"), precision_name);

}  // namespace
}  // namespace terramill::parity
