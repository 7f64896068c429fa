#include "shard_statistics.hpp"

#include "bytes.hpp"

#include <map>

namespace terramill::corpus {

void ShardStatistics::add(std::uint64_t shard, const Statistics& statistics) {
  const std::vector<std::byte> bytes = statistics.serialise();
  ByteWriter out;
  out.put(shard);
  out.put(static_cast<std::uint64_t>(bytes.size()));
  out.put_bytes(bytes);
  packed_.append(reinterpret_cast<const char*>(out.bytes().data()), out.size());
}

Statistics ShardStatistics::merge(const mpi::Communicator& comm, const Schema& schema) const {
  std::map<std::uint64_t, Statistics> by_shard;
  for (const std::string& packed : comm.gather(packed_)) {
    ByteReader in(std::as_bytes(std::span(packed)), "statistics of shards");
    while (!in.at_end()) {
      const auto shard = in.get<std::uint64_t>();
      by_shard.emplace(shard, Statistics::deserialise(schema, in.get_bytes(in.get<std::uint64_t>())));
    }
  }
  Statistics total(schema);
  for (const auto& [shard, statistics] : by_shard) total.merge(statistics);
  return total;
}

}  // namespace terramill::corpus
