#include <terramill/core/activity.hpp>
#include <terramill/mpi/patient.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

namespace terramill::mpi {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 30;  // below INT_MAX
constexpr int kTag = 3;

/// Calls `job(begin, count)` for pieces of [0, total) whose counts an int can hold.
template <typename F>
void in_pieces(std::size_t total, F job) {
  for (std::size_t begin = 0; begin < total; begin += kPiece)
    job(begin, static_cast<int>(std::min(kPiece, total - begin)));
}

void wait_for(MPI_Request& request, const char* attempted) {
  wait_patiently(std::span(&request, 1), attempted);
}

}  // namespace

void wait_patiently(std::span<MPI_Request> requests, const char* attempted,
                    std::chrono::microseconds longest) {
  const Activity activity(attempted);
  constexpr std::chrono::microseconds kFirstNap{50};
  for (auto nap = kFirstNap;; nap = std::min(2 * nap, longest)) {
    int done = 0;
    check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE),
          attempted);
    if (done != 0) return beat();
    std::this_thread::sleep_for(nap);
  }
}

int Patient::min(int value) const {
  int smallest = 0;
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Iallreduce(&value, &smallest, 1, MPI_INT, MPI_MIN, native(), &request), "find a minimum");
  wait_for(request, "find a minimum");
  return smallest;
}

std::string Patient::broadcast(const std::string& text, int root) const {
  std::uint64_t length = text.size();
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Ibcast(&length, 1, MPI_UINT64_T, root, native(), &request), "broadcast a length");
  wait_for(request, "broadcast a length");
  std::string result = rank() == root ? text : std::string(length, '\0');
  in_pieces(length, [&](std::size_t begin, int count) {
    check(MPI_Ibcast(result.data() + begin, count, MPI_CHAR, root, native(), &request), "broadcast");
    wait_for(request, "broadcast");
  });
  return result;
}

std::vector<std::string> Patient::gather(const std::string& text, int root) const {
  const std::uint64_t length = text.size();
  std::vector<std::uint64_t> lengths(rank() == root ? static_cast<std::size_t>(size()) : 0);
  MPI_Request sizes = MPI_REQUEST_NULL;
  check(MPI_Igather(&length, 1, MPI_UINT64_T, lengths.data(), 1, MPI_UINT64_T, root, native(), &sizes),
        "gather lengths");
  wait_for(sizes, "gather lengths");
  std::vector<MPI_Request> requests;
  if (rank() != root) {
    in_pieces(length, [&](std::size_t begin, int count) {
      check(MPI_Isend(text.data() + begin, count, MPI_CHAR, root, kTag, native(), &requests.emplace_back()),
            "send text");
    });
    wait_patiently(requests, "send text");
    return {};
  }
  std::vector<std::string> texts(lengths.size());
  for (int r = 0; r < size(); ++r) {
    std::string& into = texts[static_cast<std::size_t>(r)];
    if (r == root) {
      into = text;
      continue;
    }
    into.resize(lengths[static_cast<std::size_t>(r)]);
    in_pieces(into.size(), [&](std::size_t begin, int count) {
      check(MPI_Irecv(into.data() + begin, count, MPI_CHAR, r, kTag, native(), &requests.emplace_back()),
            "receive text");
    });
  }
  wait_patiently(requests, "receive text");
  return texts;
}

void Patient::all_or_none(const std::function<void()>& job) const { detail::all_or_none_over(*this, job); }

}  // namespace terramill::mpi
