#pragma once

#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/adamw.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace terramill::train {

/// Bytes that one rank needs to train, by part.
struct MemoryEstimate {
  std::int64_t parameters = 0;     ///< of the model that is trained
  std::int64_t others = 0;         ///< further state of the task: TerraFM's teacher and centres
  std::int64_t gradients = 0;      ///< GradientBuffer's buffers
  std::int64_t moments = 0;        ///< AdamW's
  std::int64_t communication = 0;  ///< what collectives receive into
  std::int64_t activations = 0;    ///< of one micro-batch, its input included
  std::int64_t input = 0;          ///< the loader's buffers, in host memory
  std::int64_t snapshot = 0;       ///< a checkpoint's copy of this rank's share, in host memory
  std::int64_t program = 0;        ///< libraries and what they allocate

  /// What lies where the model is computed; on a GPU that is all but `input` and `snapshot`.
  std::int64_t total(bool gpu) const;
  /// "1.20 GiB: parameters 12.3 MiB, …", parts of 0 left out.
  std::string text(bool gpu) const;
};

/// The parts that are counted in tensors, to the byte: parameters, others, gradients, moments (AdamW's counts
/// of steps included) and communication. `state` as Task gives it; `options`: with which `gradients` was
/// made.
MemoryEstimate estimate_memory(const parallel::GradientBuffer& gradients, const parallel::AdamW& optimiser,
                               const std::vector<parallel::NamedTensor>& state,
                               const parallel::ReductionOptions& options, int micro_batches);

/// Logs `mine` of rank 0 with what each rank may have: of a GPU its memory; of the CPU the least that
/// host_memory.hpp gives, divided by the ranks of the node. UsageError on every rank, with advice, where a
/// rank needs more, or a warning where `ignore`. Collective.
void require_memory(const mpi::Communicator& world, c10::Device device, MemoryEstimate mine, bool ignore);

}  // namespace terramill::train
