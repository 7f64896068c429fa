// Sums 25 MB of floats over the ranks: MPI_Allreduce itself, the c10d backend over it, and a GradientBuffer
// of 25 MB in each of its ways. The contenders take turns, so that a noisy machine hits all alike. Prints the
// medians of ten, in milliseconds, and MPI_Allreduce's median over each: 1 is its rate.
//
//     mpirun -n 2 build/release/bin/bench_allreduce

#include <terramill/parallel/adamw.hpp>
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

struct Contender {
  const char* name;
  std::function<void()> job;
  std::vector<double> times = {};  ///< milliseconds of the slowest rank

  double median() {
    std::ranges::nth_element(times, times.begin() + kRepeats / 2);
    return times[kRepeats / 2];
  }
};

/// A step of one parameter of 25 MB: its gradient is summed, and updated where an optimiser is given.
class Step {
 public:
  Step(const parallel::Mesh& mesh, parallel::Reduction reduction, bool sharded)
      : mesh_(mesh),
        buffer_(mesh, {{{{"weight", parameter_}}}}, {reduction, sharded, std::int64_t{25} << 20, at::kFloat}),
        optimiser_(buffer_, {}) {}

  void run(bool update) {
    buffer_.begin_step(mesh_.dp());
    buffer_.begin_micro_batch(mesh_.replica());
    parameter_.sum().backward();
    buffer_.end_micro_batch();
    buffer_.finish_step();
    if (!update) return;
    optimiser_.step(1e-3);
    optimiser_.wait_for_all();
  }

 private:
  const parallel::Mesh& mesh_;
  at::Tensor parameter_ = torch::zeros({kBytes / 4}).requires_grad_();
  parallel::GradientBuffer buffer_;
  parallel::AdamW optimiser_;
};

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

  using parallel::Reduction;
  Step fast(mesh, Reduction::kFast, false), exact(mesh, Reduction::kExact, false);
  Step fast_zero(mesh, Reduction::kFast, true), exact_zero(mesh, Reduction::kExact, true);
  std::vector<Contender> contenders{
      {"MPI_Allreduce",
       [&] {
         terramill::mpi::check(
             MPI_Allreduce(MPI_IN_PLACE, values.data_ptr(), kBytes / 4, MPI_FLOAT, MPI_SUM, world.native()),
             "all-reduce");
       }},
      {"c10d backend over MPI", [&] { mesh.dp_group()->allreduce(tensors)->wait(); }},
      {"gradients, fast", [&] { fast.run(false); }},
      {"gradients, exact", [&] { exact.run(false); }},
      {"step with AdamW, fast", [&] { fast.run(true); }},
      {"step with AdamW, exact", [&] { exact.run(true); }},
      {"step with AdamW, fast, ZeRO-1", [&] { fast_zero.run(true); }},
      {"step with AdamW, exact, ZeRO-1", [&] { exact_zero.run(true); }}};
  for (int repeat = -2; repeat < kRepeats; ++repeat) {  // two warm up
    for (Contender& contender : contenders) {
      world.barrier();
      const auto start = std::chrono::steady_clock::now();
      contender.job();
      const double ms =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      if (repeat >= 0) contender.times.push_back(world.max(ms));
    }
  }
  if (world.rank() == 0) {
    std::printf("%d ranks, 25 MB, medians of %d:\n", world.size(), kRepeats);
    const double plain = contenders.front().median();
    for (Contender& contender : contenders) {
      std::printf("  %-32s %8.2f ms   %.2f\n", contender.name, contender.median(),
                  plain / contender.median());
    }
  }
  return 0;
}
