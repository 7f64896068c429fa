#pragma once

#include <terramill/eval/feature_model.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::eval {

/// What features of a corpus's tiles are written.
struct EmbedOptions {
  std::filesystem::path corpus;
  std::filesystem::path output;  ///< .parquet (GeoParquet), .h5 or .hdf5
  std::string pooling;        ///< "cls", "mean" or "dense" (HDF5 only); empty: cls of TerraFM, mean of MP-MAE
  std::string split = "all";  ///< "train", "validation", "test" or "all"
  int micro_batch_size = 16;  ///< tiles that a rank computes at once
  int threads = 2;            ///< of a rank's loader
  int intra_op_threads = 1;   ///< of LibTorch, per rank
};

struct EmbedSummary {
  std::uint64_t tiles = 0;
  std::uint64_t blind = 0;  ///< tiles without anything that the model looks at: their features are NaN
  std::vector<std::int64_t> shape;  ///< of a tile's features: [d], or [d, h, w]
  std::string pooling;
};

/// Writes the features of a corpus's tiles, in the order of its index; the form of the files is told in
/// docs/formats.md. Ranks compute whole micro-batches in turn and rank 0 writes: memory is bounded by them,
/// and the file is the same for any number of ranks. It gets its name when it is complete. UsageError for an
/// output of no known form or a pooling that the model does not have; IntegrityError, naming shard and row,
/// where one cannot be read. Collective.
EmbedSummary embed_corpus(const mpi::Communicator& comm, const FeatureModel& model,
                          const EmbedOptions& options);

}  // namespace terramill::eval
