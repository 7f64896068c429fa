// Rank 0 starts a collective that the others never join, and fails. The job must end with code 7 rather than
// wait.

#include <terramill/core/error.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdio>
#include <exception>
#include <vector>

#include <torch/torch.h>

int main(int argc, char** argv) {
  using namespace terramill;
  try {
    const mpi::Session session(&argc, &argv);
    const mpi::Communicator world = mpi::Communicator::world();
    const parallel::Mesh mesh(world, at::kCPU);
    if (world.rank() == 0) {
      std::vector<at::Tensor> tensors{torch::ones({1 << 20})};
      const auto work = mesh.dp_group()->allreduce(tensors);
      throw Error("this rank fails");
    }
    world.barrier();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    mpi::abort_job(7);
  }
  return 0;
}
