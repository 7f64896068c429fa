#include "layout.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/safetensors.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <span>
#include <system_error>
#include <utility>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// A directory that is removed unless it is given its name.
class NewDirectory {
 public:
  NewDirectory(const fs::path& folder, std::string name)
      : folder_(folder), name_(std::move(name)), path_(folder / temporary_name_of(name_)) {
    std::error_code fault;
    fs::create_directories(folder_, fault);
    if (!fault) {
      recover(folder_);
      fs::create_directory(path_, fault);
    }
    if (fault)
      throw IoError("cannot make a directory", fault.value(), {"write a checkpoint", path_.string(), ""});
  }
  ~NewDirectory() {
    std::error_code ignored;
    if (!published_) fs::remove_all(path_, ignored);
  }
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  void publish() {
    const fs::path final = folder_ / name_, replaced = folder_ / replaced_name_of(name_);
    sync_directory(path_);
    std::error_code fault;
    if (fs::exists(final)) fs::rename(final, replaced, fault);
    if (!fault) fs::rename(path_, final, fault);
    if (fault) throw IoError("cannot rename", fault.value(), {"write a checkpoint", final.string(), ""});
    published_ = true;
    sync_directory(folder_);
    fs::remove_all(replaced, fault);
  }

 private:
  fs::path folder_;
  std::string name_;
  fs::path path_;
  bool published_ = false;
};

}  // namespace

fs::path write(const mpi::Communicator& comm, const fs::path& run, const Snapshot& snapshot) {
  if (snapshot.rank_ != comm.rank() || snapshot.ranks_ != comm.size()) {
    throw UsageError("the snapshot was taken for another rank or number of ranks",
                     {"write a checkpoint", run.string(), ""});
  }
  const fs::path folder = folder_of(run);
  const std::string name = step_name(snapshot.step_);
  const fs::path temporary = folder / temporary_name_of(name);
  std::optional<NewDirectory> directory;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() == 0) directory.emplace(folder, name);
  });

  Json written = {{"file", nullptr}, {"slices", Json::array()}};
  mpi::all_or_none(comm, [&] {
    if (snapshot.parts_.empty()) return;
    const PhaseTimer writes(Phase::kCheckpoint);
    const trace::Span span("checkpoint write", "checkpoint");
    const fs::path path = temporary / rank_file_name(comm.rank());
    std::vector<TensorSpec> specs;
    for (const Snapshot::Part& part : snapshot.parts_) {
      const Snapshot::Global& global = snapshot.globals_[part.tensor];
      std::int64_t count = 1;
      for (const std::int64_t extent : global.shape) count *= extent;
      const at::Tensor& values = part.piece.values;
      specs.push_back({part.stored_as, dtype_of(values.scalar_type()),
                       values.numel() == count ? global.shape : std::vector<std::int64_t>{values.numel()}});
    }
    SafetensorsWriter writer(path, std::move(specs),
                             {{"format", "pt"}, {"step", std::to_string(snapshot.step_)}});
    for (const Snapshot::Part& part : snapshot.parts_) {
      writer.write(part.stored_as, bytes_of(part.piece.values));
    }
    writer.finish();

    const SafetensorsReader reader(path);
    std::uint64_t header = writer.file_size();
    for (const Snapshot::Part& part : snapshot.parts_) {
      const Piece& piece = part.piece;
      const TensorInfo& info = reader.at(part.stored_as);
      header = std::min(header, info.offset);
      written["slices"].push_back({{"tensor", part.tensor},
                                   {"file", path.filename().string()},
                                   {"offset", info.offset},
                                   {"xxh3", to_hex(xxh3(bytes_of(piece.values)))},
                                   {"begin", piece.begin},
                                   {"end", piece.begin + piece.values.numel()}});
      if (piece.dim >= 0) {
        written["slices"].back()["region"] = {
            {"dim", piece.dim}, {"begin", piece.range.begin}, {"end", piece.range.end}};
      }
    }
    std::vector<std::byte> head(header);
    FileDescriptor::open_read(path).read_at(0, head);
    written["file"] = {{"name", path.filename().string()},
                       {"bytes", writer.file_size()},
                       {"header_bytes", header},
                       {"header_xxh3", to_hex(xxh3(head))}};
  });

  const std::vector<std::string> texts = comm.gather(dump_json(written));
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0) return;
    const trace::Span span("checkpoint commit", "checkpoint");
    Json index = {{"format", "terramill-checkpoint"}, {"version", 2},
                  {"step", snapshot.step_},           {"ranks", comm.size()},
                  {"meta", snapshot.meta_},           {"files", Json::array()},
                  {"tensors", Json::array()}};
    for (const Snapshot::Global& global : snapshot.globals_) {
      index["tensors"].push_back({{"name", global.name},
                                  {"dtype", global.dtype},
                                  {"shape", global.shape},
                                  {"slices", Json::array()}});
    }
    for (const std::string& text : texts) {
      Json part = parse_json(text, "a rank's share of a checkpoint");
      if (!part["file"].is_null()) index["files"].push_back(part["file"]);
      for (Json& slice : part["slices"]) {
        const auto tensor = slice["tensor"].get<std::size_t>();
        slice.erase("tensor");
        index["tensors"][tensor]["slices"].push_back(std::move(slice));
      }
    }
    write_file_durably(temporary / kIndexName, seal(std::move(index)));
    directory->publish();
    write_file_durably(folder / "latest", name + "\n");
  });
  return folder / name;
}

namespace {

template <typename Tensors>
fs::path snapshot_and_write(const mpi::Communicator& comm, const fs::path& run, std::int64_t step,
                            const Tensors& tensors, const Json& meta) {
  std::optional<Snapshot> snapshot;
  mpi::all_or_none(comm, [&] { snapshot.emplace(comm.rank(), comm.size(), step, tensors, meta); });
  return write(comm, run, *snapshot);
}

}  // namespace

fs::path save(const mpi::Communicator& comm, const fs::path& run, std::int64_t step,
              const std::vector<StateTensor>& tensors, const Json& meta) {
  return snapshot_and_write(comm, run, step, tensors, meta);
}

fs::path save(const mpi::Communicator& comm, const fs::path& run, std::int64_t step,
              const std::vector<NamedTensor>& tensors, const Json& meta) {
  return snapshot_and_write(comm, run, step, tensors, meta);
}

}  // namespace terramill::checkpoint
