#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/mpi/peer_error.hpp>

#include <algorithm>
#include <climits>
#include <csignal>
#include <exception>
#include <string_view>

#include <unistd.h>

namespace terramill::mpi {

namespace {

/// A collective call: what the thread is doing until it ends, which is a beat.
class Collective {
 public:
  explicit Collective(const char* name) noexcept : activity_(name) {}
  ~Collective() { beat(); }
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

 private:
  Activity activity_;
};

}  // namespace

void check(int status, const char* attempted, std::source_location where) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw LibraryError("MPI: " + std::string(text, static_cast<std::size_t>(length)), {attempted, "", ""},
                     where);
}

Session::Session(int* argc, char*** argv) : exceptions_(std::uncaught_exceptions()) {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided), "start MPI");
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "set MPI's error handler");
  check(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN), "set MPI's error handler");
  int rank = 0, size = 1;
  check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "ask for the rank");
  check(MPI_Comm_size(MPI_COMM_WORLD, &size), "ask for the number of ranks");
  set_process_identity(rank, size);
  if (provided < MPI_THREAD_MULTIPLE) {
    throw LibraryError("this MPI library does not give MPI_THREAD_MULTIPLE",
                       {"start MPI", "", "use one built with full thread support, such as Debian's OpenMPI"});
  }
}

namespace {

/// Ranks wait for each other in MPI_Finalize too, when no watchdog lives any more.
constexpr unsigned kLongestEnd = 600;  // seconds

void end_without_the_others(int) {
  constexpr std::string_view kText =
      "terramill: MPI did not end within ten minutes of the work: a rank is stopped, dead or cut off\n";
  static_cast<void>(!::write(STDERR_FILENO, kText.data(), kText.size()));
  ::_exit(static_cast<int>(ExitCode::kHung));
}

}  // namespace

Session::~Session() {
  if (std::uncaught_exceptions() != exceptions_) return;
  std::signal(SIGALRM, end_without_the_others);
  ::alarm(kLongestEnd);
  MPI_Finalize();
  ::alarm(0);
}

void abort_job(int code) {
  int started = 0, finished = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&finished);
  if (started && !finished) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

#define TERRAMILL_DATATYPE(type, name) \
  template <>                          \
  MPI_Datatype datatype<type>() {      \
    return name;                       \
  }
TERRAMILL_DATATYPE(std::uint8_t, MPI_UINT8_T)
TERRAMILL_DATATYPE(std::int8_t, MPI_INT8_T)
TERRAMILL_DATATYPE(std::uint16_t, MPI_UINT16_T)
TERRAMILL_DATATYPE(std::int16_t, MPI_INT16_T)
TERRAMILL_DATATYPE(std::uint32_t, MPI_UINT32_T)
TERRAMILL_DATATYPE(std::int32_t, MPI_INT32_T)
TERRAMILL_DATATYPE(std::uint64_t, MPI_UINT64_T)
TERRAMILL_DATATYPE(std::int64_t, MPI_INT64_T)
TERRAMILL_DATATYPE(float, MPI_FLOAT)
TERRAMILL_DATATYPE(double, MPI_DOUBLE)
#undef TERRAMILL_DATATYPE

Communicator::Communicator(MPI_Comm comm) : comm_(comm) {
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "set a communicator's error handler");
  check(MPI_Comm_rank(comm_, &rank_), "ask for the rank");
  check(MPI_Comm_size(comm_, &size_), "ask for the number of ranks");
}

namespace {
MPI_Comm duplicate_of(MPI_Comm comm) {
  const Collective call("duplicate a communicator");
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(comm, &copy), "duplicate a communicator");
  return copy;
}
}  // namespace

Communicator Communicator::world() { return Communicator(duplicate_of(MPI_COMM_WORLD)); }
Communicator Communicator::self() { return Communicator(duplicate_of(MPI_COMM_SELF)); }
Communicator Communicator::duplicate() const { return Communicator(duplicate_of(comm_)); }

void Communicator::release() noexcept {
  if (comm_ == MPI_COMM_NULL) return;
  // Freeing is collective: a rank that unwinds an exception must not wait for ranks that do not.
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized && std::uncaught_exceptions() == 0) {
    const Collective call("free a communicator");
    MPI_Comm_free(&comm_);
  }
  comm_ = MPI_COMM_NULL;
}

Communicator::~Communicator() { release(); }

Communicator::Communicator(Communicator&& other) noexcept
    : comm_(std::exchange(other.comm_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  if (this != &other) {
    release();
    comm_ = std::exchange(other.comm_, MPI_COMM_NULL);
    rank_ = other.rank_;
    size_ = other.size_;
  }
  return *this;
}

Communicator Communicator::split(int color, int key) const {
  const Collective call("split a communicator");
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split(comm_, color, key, &part), "split a communicator");
  return Communicator(part);
}

Communicator Communicator::split_node() const {
  const Collective call("split a communicator by node");
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &part),
        "split a communicator by node");
  return Communicator(part);
}

void Communicator::barrier() const {
  const Collective call("barrier");
  check(MPI_Barrier(comm_), "wait at a barrier");
}

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 30;  // below INT_MAX, whatever the element

/// Calls `job(begin, count)` for pieces of [0, total) whose counts an int can hold.
template <typename F>
void in_pieces(std::size_t total, F job) {
  for (std::size_t begin = 0; begin < total; begin += kPiece) {
    job(begin, static_cast<int>(std::min(kPiece, total - begin)));
  }
}

}  // namespace

void Communicator::broadcast(std::span<std::byte> bytes, int root) const {
  const Collective call("broadcast");
  in_pieces(bytes.size(), [&](std::size_t begin, int count) {
    check(MPI_Bcast(bytes.data() + begin, count, MPI_BYTE, root, comm_), "broadcast");
  });
}

std::string Communicator::broadcast(const std::string& text, int root) const {
  const Collective call("broadcast of text");
  std::uint64_t length = text.size();
  check(MPI_Bcast(&length, 1, MPI_UINT64_T, root, comm_), "broadcast a length");
  std::string result = rank_ == root ? text : std::string(length, '\0');
  broadcast(std::as_writable_bytes(std::span(result)), root);
  return result;
}

template <typename T>
T Communicator::sum(T value) const {
  sum(std::span<T>(&value, 1));
  return value;
}

template <typename T>
T Communicator::min(T value) const {
  const Collective call("minimum over ranks");
  check(MPI_Allreduce(MPI_IN_PLACE, &value, 1, datatype<T>(), MPI_MIN, comm_), "find a minimum");
  return value;
}

template <typename T>
T Communicator::max(T value) const {
  max(std::span<T>(&value, 1));
  return value;
}

template <typename T>
void Communicator::sum(std::span<T> values) const {
  const Collective call("sum over ranks");
  in_pieces(values.size(), [&](std::size_t begin, int count) {
    check(MPI_Allreduce(MPI_IN_PLACE, values.data() + begin, count, datatype<T>(), MPI_SUM, comm_),
          "add over ranks");
  });
}

template <typename T>
void Communicator::max(std::span<T> values) const {
  const Collective call("maximum over ranks");
  in_pieces(values.size(), [&](std::size_t begin, int count) {
    check(MPI_Allreduce(MPI_IN_PLACE, values.data() + begin, count, datatype<T>(), MPI_MAX, comm_),
          "find maxima");
  });
}

template <typename T>
void Communicator::exclusive_scan(std::span<T> values) const {
  const Collective call("scan over ranks");
  in_pieces(values.size(), [&](std::size_t begin, int count) {
    check(MPI_Exscan(MPI_IN_PLACE, values.data() + begin, count, datatype<T>(), MPI_SUM, comm_),
          "scan over ranks");
  });
  // MPI leaves rank 0's result undefined.
  if (rank_ == 0) std::fill(values.begin(), values.end(), T{});
}

template <typename T>
std::vector<T> Communicator::all_gather(T value) const {
  const Collective call("gather to all ranks");
  std::vector<T> all(static_cast<std::size_t>(size_));
  check(MPI_Allgather(&value, 1, datatype<T>(), all.data(), 1, datatype<T>(), comm_), "gather");
  return all;
}

template <typename T>
std::vector<T> Communicator::all_gather(std::span<const T> values) const {
  const Collective call("gather lists to all ranks");
  if (values.size() > static_cast<std::size_t>(INT_MAX)) {
    throw Error("too many values to gather from one rank", {"gather", std::to_string(values.size()), ""});
  }
  const std::vector<int> counts = all_gather(static_cast<int>(values.size()));
  std::vector<int> offsets(counts.size());
  std::int64_t total = 0;
  for (std::size_t r = 0; r < counts.size(); ++r) {
    offsets[r] = static_cast<int>(total);
    total += counts[r];
  }
  if (total > INT_MAX) throw Error("too many values to gather", {"gather", std::to_string(total), ""});
  std::vector<T> all(static_cast<std::size_t>(total));
  check(MPI_Allgatherv(values.data(), static_cast<int>(values.size()), datatype<T>(), all.data(),
                       counts.data(), offsets.data(), datatype<T>(), comm_),
        "gather lists");
  return all;
}

std::vector<std::vector<std::byte>> Communicator::exchange(
    const std::vector<std::span<const std::byte>>& send) const {
  // Rounds of pairs: rank + r gets ours while rank - r sends its own.
  std::vector<std::vector<std::byte>> received(static_cast<std::size_t>(size_));
  for (int round = 0; round < size_; ++round) {
    const Collective call("all-to-all");
    const int to = (rank_ + round) % size_, from = (rank_ - round + size_) % size_;
    const std::span<const std::byte> out = send.at(static_cast<std::size_t>(to));
    std::vector<std::byte>& in = received[static_cast<std::size_t>(from)];
    if (to == rank_) {
      in.assign(out.begin(), out.end());
      continue;
    }
    const std::uint64_t out_size = out.size();
    std::uint64_t in_size = 0;
    check(MPI_Sendrecv(&out_size, 1, MPI_UINT64_T, to, 0, &in_size, 1, MPI_UINT64_T, from, 0, comm_,
                       MPI_STATUS_IGNORE),
          "exchange sizes");
    in.resize(in_size);
    // A piece travels only where there is one: the two neighbours of a round differ in number of pieces.
    in_pieces(std::max(out.size(), in.size()), [&](std::size_t begin, int) {
      const auto length = [&](std::size_t size) {
        return begin < size ? static_cast<int>(std::min(kPiece, size - begin)) : 0;
      };
      const bool sends = begin < out.size(), receives = begin < in.size();
      check(MPI_Sendrecv(sends ? out.data() + begin : nullptr, length(out.size()), MPI_BYTE,
                         sends ? to : MPI_PROC_NULL, 1, receives ? in.data() + begin : nullptr,
                         length(in.size()), MPI_BYTE, receives ? from : MPI_PROC_NULL, 1, comm_,
                         MPI_STATUS_IGNORE),
            "exchange data");
    });
  }
  return received;
}

std::vector<std::string> Communicator::gather(const std::string& text, int root) const {
  const Collective call("gather of text");
  std::vector<std::string> texts;
  const std::vector<std::uint64_t> lengths = all_gather(static_cast<std::uint64_t>(text.size()));
  constexpr int kTag = 2;
  if (rank_ != root) {
    in_pieces(text.size(), [&](std::size_t begin, int count) {
      check(MPI_Send(text.data() + begin, count, MPI_CHAR, root, kTag, comm_), "send text");
    });
    return texts;
  }
  texts.resize(lengths.size());
  for (int r = 0; r < size_; ++r) {
    std::string& into = texts[static_cast<std::size_t>(r)];
    if (r == root) {
      into = text;
      continue;
    }
    into.resize(lengths[static_cast<std::size_t>(r)]);
    in_pieces(into.size(), [&](std::size_t begin, int count) {
      check(MPI_Recv(into.data() + begin, count, MPI_CHAR, r, kTag, comm_, MPI_STATUS_IGNORE),
            "receive text");
    });
  }
  return texts;
}

#define TERRAMILL_INSTANTIATE(type)                                  \
  template type Communicator::sum(type) const;                       \
  template type Communicator::min(type) const;                       \
  template type Communicator::max(type) const;                       \
  template void Communicator::sum(std::span<type>) const;            \
  template void Communicator::max(std::span<type>) const;            \
  template void Communicator::exclusive_scan(std::span<type>) const; \
  template std::vector<type> Communicator::all_gather(type) const;   \
  template std::vector<type> Communicator::all_gather(std::span<const type>) const;
TERRAMILL_INSTANTIATE(std::uint8_t)
TERRAMILL_INSTANTIATE(std::uint32_t)
TERRAMILL_INSTANTIATE(std::int32_t)
TERRAMILL_INSTANTIATE(std::uint64_t)
TERRAMILL_INSTANTIATE(std::int64_t)
TERRAMILL_INSTANTIATE(float)
TERRAMILL_INSTANTIATE(double)
#undef TERRAMILL_INSTANTIATE

namespace detail {
void throw_peer_failure(int rank, const std::string& text) {
  throw PeerError("rank " + std::to_string(rank) + " failed: " + text);
}
}  // namespace detail

}  // namespace terramill::mpi
