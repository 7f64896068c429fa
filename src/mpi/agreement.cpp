#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>

#include <algorithm>
#include <map>

namespace terramill::mpi {

namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

std::string encode(const Values& values) {
  Json list = Json::array();
  for (const auto& [key, value] : values) list.push_back({key, value});
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The first key whose values differ, with who has which; made on rank 0 from every rank's list.
std::string describe_difference(const std::vector<std::string>& texts) {
  const auto decode = [](const std::string& text) {
    std::map<std::string, std::string> values;
    for (const Json& pair : Json::parse(text))
      values[pair.at(0).get<std::string>()] = pair.at(1).get<std::string>();
    return values;
  };
  const auto first = decode(texts.at(0));
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    auto other = decode(texts[rank]);
    for (const auto& [key, value] : first) {
      const auto found = other.find(key);
      const std::string theirs = found == other.end() ? "nothing" : "\"" + found->second + "\"";
      if (found == other.end() || found->second != value) {
        return key + ": rank 0 has \"" + value + "\", rank " + std::to_string(rank) + " has " + theirs;
      }
      other.erase(key);
    }
    if (!other.empty()) {
      return other.begin()->first + ": rank 0 has nothing, rank " + std::to_string(rank) + " has \"" +
             other.begin()->second + "\"";
    }
  }
  return "the order of the values";
}

}  // namespace

void require_agreement(const Communicator& comm, const Values& values, const std::string& what) {
  const std::string text = encode(values);
  const std::uint64_t hash = xxh3(text);
  if (comm.min(hash) == comm.max(hash)) return;
  const std::vector<std::string> texts = comm.gather(text);
  const std::string difference = comm.broadcast(comm.rank() == 0 ? describe_difference(texts) : "");
  throw AgreementError(
      "the ranks do not agree on the " + what + "; " + difference,
      {"compare the " + what + " of all ranks", "", "start every rank with the same command"});
}

}  // namespace terramill::mpi
