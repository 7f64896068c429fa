#include "bad_rate.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>

#include <set>
#include <string>
#include <utility>

namespace terramill::train {

std::vector<loader::Replacement> gather_replacements(const mpi::Communicator& comm,
                                                     const std::vector<loader::Replacement>& mine) {
  Json known = Json::array();
  for (const loader::Replacement& entry : mine) known.push_back(loader::to_json(entry));
  std::vector<loader::Replacement> all;
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (const std::string& text : comm.gather(dump_json(known))) {
    for (const Json& json : parse_json(text)) {
      loader::Replacement entry = loader::replacement_from_json(json, "a replica");
      if (seen.emplace(entry.epoch, entry.position).second) all.push_back(std::move(entry));
    }
  }
  return all;
}

void require_bad_rate(const mpi::Communicator& comm, std::uint64_t replaced, std::uint64_t positions,
                      double max_bad_rate, const std::vector<loader::Replacement>& mine) {
  try {
    loader::require_bad_rate(replaced, positions, max_bad_rate, mine);
  } catch (const IntegrityError&) {  // on all ranks alike
    const std::vector<loader::Replacement> all = gather_replacements(comm, mine);
    loader::require_bad_rate(replaced, positions, max_bad_rate, all.empty() ? mine : all);
  }
}

}  // namespace terramill::train
