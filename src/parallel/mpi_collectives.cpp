#include "mpi_collectives.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace terramill::parallel {

using mpi::check;

namespace {

// MPI_Allreduce takes its scratch from malloc in every call, which in a thread of its own costs page faults
// over and over: twice the time at 25 MB on two ranks here. Few ranks exchange large messages themselves.
constexpr int kMostExchanging = 8;
constexpr std::int64_t kLeastExchanged = std::int64_t{1} << 18;

}  // namespace

MpiCollectives::MpiCollectives(const mpi::Communicator& comm, std::int64_t max_count)
    : comm_(comm.duplicate()), max_count_(max_count) {}

template <typename F>
void MpiCollectives::in_pieces(std::int64_t count, MpiElement element, F job) const {
  for (std::int64_t begin = 0; begin < count; begin += max_count_) {
    job(begin * element.size, static_cast<int>(std::min(max_count_, count - begin)));
  }
}

void MpiCollectives::broadcast(std::byte* data, std::int64_t count, MpiElement element, int root) const {
  in_pieces(count, element, [&](std::int64_t offset, int n) {
    check(MPI_Bcast(data + offset, n, element.type, root, comm_.native()), "broadcast");
  });
}

void MpiCollectives::all_reduce(std::byte* data, std::int64_t count, MpiElement element, MPI_Op op) const {
  if (size() > 1 && size() <= kMostExchanging && count * element.size >= kLeastExchanged) {
    return exchange_and_sum(data, count, element, op);
  }
  in_pieces(count, element, [&](std::int64_t offset, int n) {
    check(MPI_Allreduce(MPI_IN_PLACE, data + offset, n, element.type, op, comm_.native()), "all-reduce");
  });
}

void MpiCollectives::exchange_and_sum(std::byte* data, std::int64_t count, MpiElement element,
                                      MPI_Op op) const {
  const auto begin_of = [&](int r) { return count * r / size(); };
  const auto elements_of = [&](int r) { return begin_of(r + 1) - begin_of(r); };
  const std::int64_t own = elements_of(rank()), own_bytes = own * element.size;
  std::byte* const mine = data + begin_of(rank()) * element.size;
  reserve(static_cast<std::size_t>(own_bytes) * static_cast<std::size_t>(size() - 1));
  std::vector<MPI_Request> requests;
  const auto start_receive = [&](std::byte* into, std::int64_t elements, int from) {
    in_pieces(elements, element, [&](std::int64_t offset, int n) {
      check(MPI_Irecv(into + offset, n, element.type, from, 0, comm_.native(), &requests.emplace_back()),
            "all-reduce");
    });
  };
  const auto start_send = [&](const std::byte* from, std::int64_t elements, int to) {
    in_pieces(elements, element, [&](std::int64_t offset, int n) {
      check(MPI_Isend(from + offset, n, element.type, to, 0, comm_.native(), &requests.emplace_back()),
            "all-reduce");
    });
  };
  const auto wait = [&] {
    check(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE), "all-reduce");
    requests.clear();
  };
  // Everybody's elements for this rank, their sum in the order of ranks after the own, and the sums of all.
  for (int step = 1; step < size(); ++step) {
    const int from = (rank() - step + size()) % size();
    start_receive(received_.data() + (from < rank() ? from : from - 1) * own_bytes, own, from);
  }
  for (int step = 1; step < size(); ++step) {
    const int to = (rank() + step) % size();
    start_send(data + begin_of(to) * element.size, elements_of(to), to);
  }
  wait();
  for (int other = 0; other + 1 < size(); ++other) {
    in_pieces(own, element, [&](std::int64_t offset, int n) {
      check(
          MPI_Reduce_local(received_.data() + other * own_bytes + offset, mine + offset, n, element.type, op),
          "all-reduce");
    });
  }
  for (int step = 1; step < size(); ++step) {
    const int from = (rank() - step + size()) % size();
    start_receive(data + begin_of(from) * element.size, elements_of(from), from);
  }
  for (int step = 1; step < size(); ++step) start_send(mine, own, (rank() + step) % size());
  wait();
}

void MpiCollectives::reserve(std::size_t bytes) const {
  if (received_.size() < bytes) received_.resize(bytes);
}

void MpiCollectives::reduce(std::byte* data, std::int64_t count, MpiElement element, MPI_Op op,
                            int root) const {
  in_pieces(count, element, [&](std::int64_t offset, int n) {
    if (rank() == root) {
      check(MPI_Reduce(MPI_IN_PLACE, data + offset, n, element.type, op, root, comm_.native()), "reduce");
    } else {
      check(MPI_Reduce(data + offset, nullptr, n, element.type, op, root, comm_.native()), "reduce");
    }
  });
}

void MpiCollectives::all_gather(const std::byte* in, std::byte* out, std::int64_t count,
                                MpiElement element) const {
  const std::int64_t bytes = count * element.size;
  std::byte* own = out + rank() * bytes;
  if (in != own) std::memcpy(own, in, static_cast<std::size_t>(bytes));
  if (count <= max_count_ / size()) {
    check(MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, static_cast<int>(count), element.type,
                        comm_.native()),
          "all-gather");
    return;
  }
  for (int root = 0; root < size(); ++root) broadcast(out + root * bytes, count, element, root);
}

void MpiCollectives::gather(const std::byte* in, std::byte* out, std::int64_t count, MpiElement element,
                            int root) const {
  if (rank() != root) return send(in, count, element, root);
  const std::int64_t bytes = count * element.size;
  for (int from = 0; from < size(); ++from) {
    std::byte* part = out + from * bytes;
    if (from == root) {
      std::memcpy(part, in, static_cast<std::size_t>(bytes));
    } else {
      receive(part, count, element, from);
    }
  }
}

void MpiCollectives::scatter(const std::byte* in, std::byte* out, std::int64_t count, MpiElement element,
                             int root) const {
  if (rank() != root) return receive(out, count, element, root);
  const std::int64_t bytes = count * element.size;
  for (int to = 0; to < size(); ++to) {
    const std::byte* part = in + to * bytes;
    if (to == root) {
      std::memcpy(out, part, static_cast<std::size_t>(bytes));
    } else {
      send(part, count, element, to);
    }
  }
}

void MpiCollectives::reduce_scatter(const std::byte* in, std::byte* out, std::int64_t count,
                                    MpiElement element, MPI_Op op) const {
  // Everybody's part for this rank, then one sum in the order of ranks: twice as fast here as
  // MPI_Reduce_scatter_block at 25 MB, and the same bits whatever algorithm MPI would choose.
  const auto bytes = static_cast<std::size_t>(count * element.size);
  reserve(bytes * static_cast<std::size_t>(size()));
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(size()), count);
  all_to_all(in, counts, received_.data(), counts, element);
  std::memcpy(out, received_.data(), bytes);
  for (int from = 1; from < size(); ++from) {
    const std::byte* part = received_.data() + static_cast<std::size_t>(from) * bytes;
    in_pieces(count, element, [&](std::int64_t offset, int n) {
      check(MPI_Reduce_local(part + offset, out + offset, n, element.type, op), "reduce-scatter");
    });
  }
}

void MpiCollectives::all_to_all(const std::byte* in, std::span<const std::int64_t> in_counts, std::byte* out,
                                std::span<const std::int64_t> out_counts, MpiElement element) const {
  // Not MPI_Alltoallv: its displacements are ints, and whether they suffice may differ between ranks.
  std::vector<std::int64_t> in_begin(in_counts.size()), out_begin(out_counts.size());
  std::int64_t in_total = 0, out_total = 0;
  for (std::size_t r = 0; r < in_counts.size(); ++r) {
    in_begin[r] = std::exchange(in_total, in_total + in_counts[r] * element.size);
    out_begin[r] = std::exchange(out_total, out_total + out_counts[r] * element.size);
  }
  std::vector<MPI_Request> requests;
  for (int step = 1; step < size(); ++step) {
    const int from = (rank() - step + size()) % size();
    in_pieces(out_counts[static_cast<std::size_t>(from)], element, [&](std::int64_t offset, int n) {
      check(MPI_Irecv(out + out_begin[static_cast<std::size_t>(from)] + offset, n, element.type, from, 0,
                      comm_.native(), &requests.emplace_back()),
            "all-to-all");
    });
  }
  for (int step = 1; step < size(); ++step) {
    const int to = (rank() + step) % size();
    in_pieces(in_counts[static_cast<std::size_t>(to)], element, [&](std::int64_t offset, int n) {
      check(MPI_Isend(in + in_begin[static_cast<std::size_t>(to)] + offset, n, element.type, to, 0,
                      comm_.native(), &requests.emplace_back()),
            "all-to-all");
    });
  }
  const auto own = static_cast<std::size_t>(rank());
  if (in_counts[own] > 0) {
    std::memcpy(out + out_begin[own], in + in_begin[own],
                static_cast<std::size_t>(in_counts[own] * element.size));
  }
  check(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE), "all-to-all");
}

void MpiCollectives::send(const std::byte* data, std::int64_t count, MpiElement element, int to) const {
  in_pieces(count, element, [&](std::int64_t offset, int n) {
    check(MPI_Send(data + offset, n, element.type, to, 0, comm_.native()), "send");
  });
}

void MpiCollectives::receive(std::byte* data, std::int64_t count, MpiElement element, int from) const {
  in_pieces(count, element, [&](std::int64_t offset, int n) {
    check(MPI_Recv(data + offset, n, element.type, from, 0, comm_.native(), MPI_STATUS_IGNORE), "receive");
  });
}

}  // namespace terramill::parallel
