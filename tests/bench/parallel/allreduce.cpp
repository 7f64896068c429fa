// Sums 25 MB of floats over the ranks: MPI_Allreduce itself, the c10d backend over it, and a GradientBuffer
// of 25 MB in each of its two ways. Prints the medians of ten, in milliseconds, and their ratios to MPI's
// own.
//
//     mpirun -n 2 build/release/bin/bench_allreduce

#include <terramill/parallel/gradient_buffer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include <torch/torch.h>

namespace {

using terramill::mpi::Communicator;
namespace parallel = terramill::parallel;

constexpr std::int64_t kBytes = 25'000'000;
constexpr int kRepeats = 10;

/// Milliseconds of the slowest rank, median of the repeats, after two that warm up.
double median_ms(const Communicator& world, const std::function<void()>& job) {
  std::vector<double> times;
  for (int repeat = -2; repeat < kRepeats; ++repeat) {
    world.barrier();
    const auto start = std::chrono::steady_clock::now();
    job();
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (repeat >= 0) times.push_back(world.max(ms));
  }
  std::ranges::nth_element(times, times.begin() + kRepeats / 2);
  return times[kRepeats / 2];
}

double step_ms(const Communicator& world, const parallel::Mesh& mesh, parallel::Reduction reduction) {
  const at::Tensor parameter = torch::zeros({kBytes / 4}).requires_grad_();
  parallel::GradientBuffer buffer(mesh, {{{{"weight", parameter}}}}, reduction);
  return median_ms(world, [&] {
    buffer.begin_step(mesh.dp());
    buffer.begin_micro_batch(mesh.replica());
    parameter.sum().backward();
    buffer.end_micro_batch();
    buffer.finish_step();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const terramill::mpi::Session session(&argc, &argv);
  const Communicator world = Communicator::world();
  if (world.size() < 2) {
    std::puts("start it on two ranks at least: mpirun -n 2");
    return 2;
  }
  at::set_num_threads(1);
  const parallel::Mesh mesh(world, at::kCPU);
  const at::Tensor values = torch::ones({kBytes / 4});
  std::vector<at::Tensor> tensors{values};

  const double plain = median_ms(world, [&] {
    terramill::mpi::check(
        MPI_Allreduce(MPI_IN_PLACE, values.data_ptr(), kBytes / 4, MPI_FLOAT, MPI_SUM, world.native()),
        "all-reduce");
  });
  const double backend = median_ms(world, [&] { mesh.dp_group()->allreduce(tensors)->wait(); });
  const double fast = step_ms(world, mesh, parallel::Reduction::kFast);
  const double exact = step_ms(world, mesh, parallel::Reduction::kExact);
  if (world.rank() == 0) {
    std::printf(
        "%d ranks, 25 MB, median of %d: MPI_Allreduce %.2f ms; c10d backend %.2f ms (%.2f); gradient step "
        "fast "
        "%.2f ms (%.2f), exact %.2f ms (%.2f)\n",
        world.size(), kRepeats, plain, backend, backend / plain, fast, fast / plain, exact, exact / plain);
  }
  return 0;
}
