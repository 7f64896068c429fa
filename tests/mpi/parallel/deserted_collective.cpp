// Rank 0 starts a collective that the others never join. On CPUs it then fails, and the job must end with
// code 7 rather than wait. With "cuda FOLDER" it waits, until after 20 s c10d's watchdog writes its flight
// record into FOLDER and ends the job.

#include <terramill/core/error.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <torch/torch.h>

int main(int argc, char** argv) {
  using namespace terramill;
  try {
    const mpi::Session session(&argc, &argv);
    const mpi::Communicator world = mpi::Communicator::world();
    const bool gpu = argc == 3 && std::string(argv[1]) == "cuda";
    parallel::NcclOptions options;
    if (gpu) {
      options.timeout = std::chrono::seconds(20);
      options.flight_recorder = 100;
      options.flight_folder = argv[2];
    }
    const at::Device device = parallel::select_device(gpu ? "cuda" : "cpu", world);
    const parallel::Mesh mesh(world, device, 1, options);
    if (world.rank() == 0) {
      std::vector<at::Tensor> tensors{torch::ones({1 << 20}, at::device(device))};
      const auto work = mesh.dp_group()->allreduce(tensors);
      if (!gpu) throw Error("this rank fails");
      work->wait();
      tensors[0][0].item();  // the host waits for the GPU
    }
    world.barrier();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    mpi::abort_job(7);
  }
  return 0;
}
