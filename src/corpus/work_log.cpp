#include "work_log.hpp"

#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>

namespace terramill::corpus {

void WorkLog::begin(std::uint64_t shard) { spans_.push_back({comm_.rank(), shard, server_.elapsed(), 0}); }

void WorkLog::end(std::uint64_t shard) {
  for (Span& span : spans_) {
    if (span.shard == shard) span.end = server_.elapsed();
  }
}

void WorkLog::finish() {
  requests_ = server_.finish();
  for (const mpi::WorkRecord& request : requests_) {
    if (request.waited * 1e3 <= longest_wait_ms_) continue;
    longest_wait_ms_ = request.waited * 1e3;
    longest_wait_rank_ = request.rank;
  }
  std::vector<double> numbers;
  for (const Span& span : spans_) {
    numbers.insert(numbers.end(),
                   {static_cast<double>(span.rank), static_cast<double>(span.shard), span.begin, span.end});
  }
  numbers = comm_.all_gather(std::span<const double>(numbers));
  spans_.clear();
  for (std::size_t i = 0; i < numbers.size(); i += 4) {
    spans_.push_back({static_cast<int>(numbers[i]), static_cast<std::uint64_t>(numbers[i + 1]),
                      numbers[i + 2], numbers[i + 3]});
  }
}

void WorkLog::write(const std::filesystem::path& path) const {
  std::string lines;
  for (const mpi::WorkRecord& request : requests_) {
    Json json = {{"event", "request"}, {"rank", request.rank}, {"shard", nullptr}};
    if (request.item != mpi::kNoWork) json["shard"] = request.item;
    json["asked"] = request.asked;
    json["answered"] = request.answered;
    json["waited"] = request.waited;
    lines += dump_json(json) + "\n";
  }
  for (const Span& span : spans_) {
    lines += dump_json({{"event", "shard"},
                        {"rank", span.rank},
                        {"shard", span.shard},
                        {"begin", span.begin},
                        {"end", span.end}}) +
             "\n";
  }
  write_file_durably(path, lines);
}

}  // namespace terramill::corpus
