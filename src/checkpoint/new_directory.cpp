#include "new_directory.hpp"

#include "layout.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/random_id.hpp>

#include <system_error>
#include <utility>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

NewDirectory::NewDirectory(const fs::path& folder, std::string name)
    : folder_(folder), name_(std::move(name)), path_(folder / temporary_name_of(name_ + "-" + random_id())) {
  std::error_code fault;
  const bool made = fs::create_directories(folder_, fault);
  if (!fault) {
    if (made && folder_.has_parent_path()) sync_directory(folder_.parent_path());
    recover(folder_);
    fs::create_directory(path_, fault);
  }
  if (fault)
    throw IoError("cannot make a directory", fault.value(), {"write a checkpoint", path_.string(), ""});
}

NewDirectory::~NewDirectory() {
  std::error_code ignored;
  if (!published_) fs::remove_all(path_, ignored);
}

void NewDirectory::publish(const std::string& index) {
  write_file_durably(path_ / kIndexName, index);
  const fs::path final = folder_ / name_, replaced = folder_ / replaced_name_of(name_);
  std::error_code fault;
  if (fs::exists(final)) fs::rename(final, replaced, fault);
  if (!fault) fs::rename(path_, final, fault);
  if (fault) throw IoError("cannot rename", fault.value(), {"write a checkpoint", final.string(), ""});
  published_ = true;
  sync_directory(folder_);
  fs::remove_all(replaced, fault);
  try {
    write_file_durably(folder_ / kLatestName, name_ + "\n");
  } catch (const IoError& error) {  // it is for those who look on
    log::warn("{}", error.what());
  }
}

}  // namespace terramill::checkpoint
