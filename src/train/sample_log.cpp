#include "sample_log.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>

#include <cstdio>
#include <span>
#include <string>
#include <system_error>

namespace terramill::train {

namespace {

FileDescriptor open_log(const std::filesystem::path& folder, int replica) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw IoError("cannot make the folder of the sample log", error.value(),
                  {"log samples", folder.string(), "choose another fault.sample_log"});
  }
  char name[32];
  std::snprintf(name, sizeof name, "replica-%05d.jsonl", replica);
  return FileDescriptor::append(folder / name);
}

}  // namespace

SampleLog::SampleLog(const std::filesystem::path& folder, int replica) : file_(open_log(folder, replica)) {}

void SampleLog::write(std::int64_t step, std::uint64_t epoch, int micro_batch, bool skipped,
                      const loader::MicroBatch& loaded) {
  Json tiles = Json::array();
  for (const std::uint64_t key : loaded.tile_keys) tiles.push_back(to_hex(key));
  const std::string line = dump_json({{"step", step},
                                      {"epoch", epoch},
                                      {"micro_batch", micro_batch},
                                      {"skipped", skipped},
                                      {"tiles", tiles}}) +
                           '\n';
  file_.write(std::as_bytes(std::span(line)));
}

}  // namespace terramill::train
