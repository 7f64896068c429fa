#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace terramill::train {

/// The rule of DINO's eval_knn.py (facebookresearch/dino; Wu et al., "Unsupervised feature learning via
/// non-parametric instance discrimination", CVPR 2018).
struct KnnOptions {
  std::int64_t k = 20;
  double temperature = 0.07;
};

/// Membership [N, classes] float64 of single labels [N] int64: a one per row; none for a label below 0.
at::Tensor membership_of(const at::Tensor& labels, std::int64_t classes);

/// What share of the votes each class gets: queries [Q, d], features [N, d] and their membership [N, C] of 0
/// and 1 give [Q, C] float64, on the CPU, equal on every rank.
///
/// Neighbours are the k features of highest cosine similarity s; one votes with weight exp(s / temperature)
/// for every class that it belongs to, and the sum over classes is divided by the weight of all k. With
/// several classes per sample a share above 1/2 is the verdict of one binary kNN per class. Similarities are
/// computed in float64 and rounded to multiples of 2^-36, so that equal features tie; of equal similarities
/// the lower index is nearer. A rank computes a share of the queries, in blocks that do not depend on the
/// number of ranks. Error where a feature is not finite. Collective: all arguments are equal on every rank.
at::Tensor knn_votes(const mpi::Communicator& comm, const at::Tensor& features, const at::Tensor& membership,
                     const at::Tensor& queries, const KnnOptions& options);

/// The `count` classes of highest score per row of [Q, C], int64 [Q, min(count, C)]; of equal scores the
/// lower class comes first.
at::Tensor rank_classes(const at::Tensor& scores, std::int64_t count);

/// Share of queries whose label gets most votes: the number to log during pretraining. labels [N] and
/// query_labels [Q] int64. Collective, as knn_votes.
double online_knn(const mpi::Communicator& comm, const at::Tensor& features, const at::Tensor& labels,
                  const at::Tensor& queries, const at::Tensor& query_labels, const KnnOptions& options = {});

}  // namespace terramill::train
