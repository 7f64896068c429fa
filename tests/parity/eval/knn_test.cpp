#include <terramill/eval/metrics.hpp>
#include <terramill/train/knn.hpp>

#include <gtest/gtest.h>
#include <parity/vectors.hpp>

namespace terramill::parity {
namespace {

TEST(KnnClassifier, TopOneAndTopFiveEqualDinosExactly) {
  at::set_num_threads(1);
  const VectorSet set("terrafm");
  if (!set.available()) GTEST_SKIP() << "no parity vectors in " << set.folder();
  const Vectors vectors(set, "dino_units.safetensors", "float64");
  const Json& knn = vectors.config().at("knn");
  const auto classes = knn.at("num_classes").get<std::int64_t>();
  const at::Tensor truth = train::membership_of(vectors.raw("knn/test_labels"), classes);
  const mpi::Communicator self = mpi::Communicator::self();
  for (const auto& [k, expected] : knn.at("top1_top5").items()) {
    const train::KnnOptions options{std::stoll(k), knn.at("T").get<double>()};
    const at::Tensor votes = train::knn_votes(self, vectors.raw("knn/train_features"),
                                              train::membership_of(vectors.raw("knn/train_labels"), classes),
                                              vectors.raw("knn/test_features"), options);
    const auto values = eval::metrics(eval::single_label_answers(votes, truth, options.k));
    EXPECT_EQ(values[0], expected.at(0).get<double>() / 100) << "top-1 with k = " << k;
    EXPECT_EQ(values[1], expected.at(1).get<double>() / 100) << "top-5 with k = " << k;
  }
}

}  // namespace
}  // namespace terramill::parity
