#include "commands.hpp"
#include "machine.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/process_group.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iomanip>
#include <ostream>

#include <ATen/ATen.h>

namespace terramill::cli {

namespace {

constexpr std::int64_t kFloat = sizeof(float);

struct LinkOptions {
  std::int64_t max_bytes = std::int64_t{64} << 20;
  int repeat = 10, warmup = 2;
  std::string device = "auto", output;
};

/// Some ranks of the job, and what joins them.
struct Scope {
  std::string name;  ///< "all"; "node": those of rank 0's; "nodes": the first of each
  mpi::Communicator ranks;
  bool takes_part;  ///< whether this rank is one of them
};

/// One collective, through the training's own groups and through MPI itself. `whole` has `size` times the
/// elements of `part`.
struct Collective {
  const char* name;
  double traffic;  ///< bytes over a rank's link per byte of the whole vector and (size - 1) / size
  std::function<void(parallel::ProcessGroupPtr&, at::Tensor& whole, at::Tensor& part)> own;
  std::function<void(MPI_Comm, float* whole, float* part, int part_count, int size)> plain;
};

std::vector<Collective> collectives() {
  return {
      {"all-reduce", 2,
       [](parallel::ProcessGroupPtr& group, at::Tensor& whole, at::Tensor&) {
         std::vector<at::Tensor> tensors{whole};
         group->allreduce(tensors)->wait();
       },
       [](MPI_Comm comm, float* whole, float*, int count, int size) {
         mpi::check(MPI_Allreduce(MPI_IN_PLACE, whole, count * size, MPI_FLOAT, MPI_SUM, comm), "all-reduce");
       }},
      {"reduce-scatter", 1,
       [](parallel::ProcessGroupPtr& group, at::Tensor& whole, at::Tensor& part) {
         group->_reduce_scatter_base(part, whole, {})->wait();
       },
       [](MPI_Comm comm, float* whole, float* part, int count, int) {
         mpi::check(MPI_Reduce_scatter_block(whole, part, count, MPI_FLOAT, MPI_SUM, comm), "reduce-scatter");
       }},
      {"all-gather", 1,
       [](parallel::ProcessGroupPtr& group, at::Tensor& whole, at::Tensor& part) {
         group->_allgather_base(whole, part, {})->wait();
       },
       [](MPI_Comm comm, float* whole, float* part, int count, int) {
         mpi::check(MPI_Allgather(part, count, MPI_FLOAT, whole, count, MPI_FLOAT, comm), "all-gather");
       }}};
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

/// Seconds of `job` on the slowest rank.
double timed(const mpi::Communicator& ranks, const std::function<void()>& job) {
  ranks.barrier();
  const auto start = std::chrono::steady_clock::now();
  job();
  return ranks.max(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

/// One line of the file: both ways in turn, so that a machine whose speed drifts does so under both.
Json measure(const Scope& scope, const Collective& collective, parallel::ProcessGroupPtr& group,
             c10::Device device, std::int64_t bytes, const LinkOptions& options) {
  const int size = scope.ranks.size();
  const std::int64_t count = std::max<std::int64_t>(1, bytes / kFloat / size);
  at::Tensor whole = at::ones({count * size}, at::TensorOptions(device));
  at::Tensor part = at::ones({count}, at::TensorOptions(device));
  const at::Tensor host_whole = at::ones({count * size}), host_part = at::ones({count});
  const auto finish = [&] {
    if (device.is_cuda()) part[0].item();  // the host waits for the stream
  };

  std::vector<double> own, plain;
  for (int repeat = -options.warmup; repeat < options.repeat; ++repeat) {
    const double ours = timed(scope.ranks, [&] {
      collective.own(group, whole, part);
      finish();
    });
    const double theirs = timed(scope.ranks, [&] {
      collective.plain(scope.ranks.native(), host_whole.data_ptr<float>(), host_part.data_ptr<float>(),
                       static_cast<int>(count), size);
    });
    if (repeat < 0) continue;
    own.push_back(ours);
    plain.push_back(theirs);
  }
  const double seconds = median(own), mpi_seconds = median(plain);
  const auto sent = static_cast<double>(count * size * kFloat);
  return {{"scope", scope.name},
          {"group_ranks", size},
          {"collective", collective.name},
          {"bytes", count * size * kFloat},
          {"backend", device.is_cuda() ? "nccl" : "mpi"},
          {"seconds", seconds},
          {"all_seconds", own},
          {"mpi_seconds", mpi_seconds},
          {"all_mpi_seconds", plain},
          {"ratio", mpi_seconds / seconds},
          {"bytes_per_second", sent * collective.traffic * (size - 1) / size / seconds}};
}

/// The scopes that tell something on this job; rank 0 takes part in each.
std::vector<Scope> scopes_of(const mpi::Communicator& world) {
  const mpi::Communicator node = world.split_node();
  const bool leads = node.rank() == 0, inside = node.min(world.rank()) == 0;
  const int nodes = world.sum(leads ? 1 : 0), on_first = world.max(inside ? node.size() : 0);
  std::vector<Scope> scopes;
  scopes.push_back({"all", world.duplicate(), true});
  if (nodes > 1 && on_first > 1) {
    scopes.push_back({"node", world.split(inside ? 0 : 1, world.rank()), inside});
    scopes.push_back({"nodes", world.split(leads ? 0 : 1, world.rank()), leads});
  }
  return scopes;
}

/// 8 bytes times powers of 8, and `most`.
std::vector<std::int64_t> sizes_up_to(std::int64_t most) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t bytes = 8; bytes < most; bytes *= 8) sizes.push_back(bytes);
  sizes.push_back(most);
  return sizes;
}

void print_header(std::ostream& out) {
  out << "scope  ranks  collective           bytes       seconds   MPI itself  ratio      MB/s\n";
}

void print_line(std::ostream& out, const Json& line) {
  out << std::left << std::setw(7) << line["scope"].get<std::string>() << std::right << std::setw(5)
      << line["group_ranks"].get<int>() << "  " << std::left << std::setw(15)
      << line["collective"].get<std::string>() << std::right << std::setw(11)
      << line["bytes"].get<std::int64_t>() << std::scientific << std::setprecision(3) << std::setw(14)
      << line["seconds"].get<double>() << std::setw(13) << line["mpi_seconds"].get<double>() << std::fixed
      << std::setprecision(2) << std::setw(7) << line["ratio"].get<double>() << std::setprecision(1)
      << std::setw(10) << line["bytes_per_second"].get<double>() / 1e6 << '\n';
}

}  // namespace

int bench_link(const Context& context, const std::vector<std::string>& arguments) {
  LinkOptions options;
  OptionTable table(
      "terramill bench link --output LINK.jsonl",
      "Measures latency and bandwidth of the training's collectives over the job's ranks, beside "
      "those of MPI itself: over all ranks, inside a node, and between nodes.");
  table.add("output", &options.output, "file of the results, one JSON object per line; empty: none", "path");
  table.add("max-bytes", &options.max_bytes, "largest vector; the others are of 8 bytes times powers of 8",
            "bytes");
  table.add("repeat", &options.repeat, "measurements of each; the median counts");
  table.add("warmup", &options.warmup, "collectives before the measured ones");
  table.add("device", &options.device, "where the vectors lie", "", {"auto", "cpu", "cuda"});
  if (!context.faults.read(table, arguments, context.out, "bench link"))
    return static_cast<int>(ExitCode::kDone);
  mpi::require_agreement(context.world, table.values(), "options of bench link");
  if (options.repeat < 1 || options.warmup < 0 || options.max_bytes < 8) {
    throw UsageError("--repeat must be at least 1, --warmup 0 or more, --max-bytes at least 8",
                     {"read the options", "bench link", ""});
  }
  if (context.world.size() < 2) {
    throw UsageError("a link has two ends: one rank has nobody to talk to",
                     {"measure the link", "", "start at least two ranks, by srun or mpirun"});
  }

  const Machine machine = describe_machine(context.world, options.device);
  const c10::Device device = parallel::select_device(options.device, context.world);
  const Json about{{"format", "terramill-link"}, {"version", 1},
                   {"device", machine.device},   {"processor", machine.processor},
                   {"nodes", machine.nodes},     {"ranks", context.world.size()}};
  Json all = Json::array();
  if (!table.json()) print_header(context.out);
  for (const Scope& scope : scopes_of(context.world)) {
    if (scope.takes_part) {
      parallel::ProcessGroupPtr group = parallel::make_process_group(scope.ranks, device);
      for (const Collective& collective : collectives()) {
        for (const std::int64_t bytes : sizes_up_to(options.max_bytes)) {
          Json line = about;
          line.update(measure(scope, collective, group, device, bytes, options));
          if (!table.json()) print_line(context.out, line);
          all.push_back(std::move(line));
        }
      }
    }
    context.world.barrier();  // who takes no part disturbs nobody
  }
  mpi::all_or_none(context.world, [&] {
    if (context.world.rank() != 0 || options.output.empty()) return;
    std::string lines;
    for (const Json& line : all) lines += dump_json(line) + '\n';
    write_file_durably(options.output, lines);
  });
  if (table.json()) context.out << dump_json({{"output", options.output}, {"measured", all}}) << '\n';
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
