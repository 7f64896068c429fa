#include "terrafm_vectors.hpp"

#include <terramill/model/dino.hpp>

namespace terramill::parity {
namespace {

constexpr double kStudentTemperature = 0.1, kCentreMomentum = 0.9;  // DINOLoss's defaults

/// Of each of config.ep: the warm-up of DINOLoss, linear over config.wte epochs.
std::vector<double> teacher_temperatures(const Json& config) {
  const double first = config.at("wt").get<double>(), last = config.at("tt").get<double>();
  const double steps = config.at("wte").get<double>() - 1;
  std::vector<double> temperatures;
  for (const double epoch : config.at("ep").get<std::vector<double>>()) {
    temperatures.push_back(epoch < steps ? first + (last - first) * epoch / steps : last);
  }
  return temperatures;
}

at::Tensor no_high(const at::Tensor& teacher) {
  return at::zeros({teacher.size(0) / 2}, at::device(test_device()).dtype(at::kBool));
}

class Dino : public TerrafmVectors {};

TEST_P(Dino, HeadAndItsGradientsEqualTheOfficialOnes) {
  const Vectors vectors = open("dino_units");
  const Json& sizes = vectors.config();
  for (const bool norm_last : {false, true}) {
    const std::string at = std::string("head_normlast_") + (norm_last ? "true/" : "false/");
    SCOPED_TRACE(at);
    model::DinoHead head({sizes.at("in_dim").get<std::int64_t>(), sizes.at("hidden").get<std::int64_t>(),
                          sizes.at("bott").get<std::int64_t>(), sizes.at("out").get<std::int64_t>(),
                          norm_last});
    load(head, vectors, at + "param/");
    const at::Tensor x = vectors.real(at + "x").clone().requires_grad_();
    const at::Tensor y = head.forward(x);
    (y * vectors.real(at + "loss_R")).sum().backward();
    Results results{{at + "mlp_out", head.bottleneck(x)}, {at + "y", y}, {at + "grad_x", x.grad()}};
    add_gradients(results, head, at + "grad/");
    compare(vectors, results, {at});
    EXPECT_EQ(head.named_parameters()["last_layer.weight_g"].grad().defined(), !norm_last);
  }
}

TEST_P(Dino, LossesCentresAndGradientsEqualTheOfficialOnes) {
  const Vectors vectors = open("dino_units");
  const auto temperatures = teacher_temperatures(vectors.config());
  Results results;
  at::Tensor centre = at::zeros({1, vectors.config().at("loss_out").get<std::int64_t>()}, vectors.options());
  for (std::size_t step = 0; step < temperatures.size(); ++step) {
    const std::string at = "loss/step" + std::to_string(step) + "/";
    const at::Tensor student = vectors.real(at + "student").clone().requires_grad_();
    const at::Tensor teacher = vectors.real(at + "teacher");
    const at::Tensor loss =
        model::dino_loss(student, teacher, centre, kStudentTemperature, temperatures[step]);
    loss.backward();
    const model::CentreSums sums = model::centre_sums(teacher, no_high(teacher));
    centre = model::next_centre(centre, sums.all, sums.count, kCentreMomentum);
    results.emplace(at + "loss", loss);
    results.emplace(at + "grad_student", student.grad());
    results.emplace(at + "center_after", centre);
  }
  compare(vectors, results, {"loss/"});
}

TEST_P(Dino, TwoRanksSharingTheirSumsHaveTheOfficialCentres) {
  const Vectors vectors = open("dino_units");
  const auto temperatures = teacher_temperatures(vectors.config());
  Results results;
  at::Tensor centre = at::zeros({1, vectors.config().at("loss_out").get<std::int64_t>()}, vectors.options());
  for (std::size_t step = 0; step < temperatures.size(); ++step) {
    at::Tensor sum = at::zeros({centre.size(1)}, centre.options());
    double count = 0;
    std::vector<std::string> ranks;
    for (const std::string rank : {"rank0", "rank1"}) {
      const std::string& at = ranks.emplace_back("loss_ws2/" + rank + "/step" + std::to_string(step) + "/");
      const at::Tensor student = vectors.real(at + "student").clone().requires_grad_();
      const at::Tensor teacher = vectors.real(at + "teacher");
      const at::Tensor loss =
          model::dino_loss(student, teacher, centre, kStudentTemperature, temperatures[step]);
      loss.backward();
      results.emplace(at + "loss", loss);
      results.emplace(at + "grad_student", student.grad());
      const model::CentreSums sums = model::centre_sums(teacher, no_high(teacher));
      sum = sum + sums.all;
      count += sums.count;
    }
    centre = model::next_centre(centre, sum, count, kCentreMomentum);
    for (const std::string& at : ranks) {
      results.emplace(at + "center_after", centre);
    }
  }
  compare(vectors, results, {"loss_ws2/"});
}

TEST_P(Dino, CropsOfEachSizeInOneCallGiveTheOfficialFeatures) {
  const Vectors vectors = open("dino_units");
  const Json& multicrop = vectors.config().at("multicrop");
  model::Terrafm net(encoder_config(multicrop.at("encoder")));
  load(net, vectors, "multicrop/param/");
  const auto calls = multicrop.at("backbone_calls").get<std::vector<std::vector<std::int64_t>>>();
  std::vector<at::Tensor> features;
  std::size_t crop = 0;
  for (const auto& call : calls) {
    std::vector<at::Tensor> crops;
    for (std::int64_t samples = 0; samples < call[0]; samples += crops.back().size(0)) {
      crops.push_back(vectors.real("multicrop/crop" + std::to_string(crop++)));
    }
    ASSERT_EQ(at::cat(crops).sizes(), at::IntArrayRef(call));
    features.push_back(net.forward(images_of("s2_l1c", at::cat(crops))));
  }
  EXPECT_EQ(crop, multicrop.at("sizes").size());
  compare(vectors, {{"multicrop/out", at::cat(features)}}, {"multicrop/"});
}

TEST_P(Dino, EveryTensorBelongsToATestHereOrToTheTrainersOrTheEvaluations) {
  for (const auto& [name, info] : set_.entry("dino_units.safetensors").at("tensors").items()) {
    EXPECT_TRUE(begins_with_one_of(name, {"head_normlast_false/", "head_normlast_true/", "loss/", "loss_ws2/",
                                          "multicrop/", "sched/", "clip/", "knn/"}))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Precision, Dino, testing::Values("float64", "float32"), precision_name);

}  // namespace
}  // namespace terramill::parity
