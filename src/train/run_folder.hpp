#pragma once

#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <filesystem>
#include <optional>
#include <string>

namespace terramill::train {

/// The folder of a run while the run is at work in it: rank 0 holds its lock, and writes what describes it.
class RunFolder {
 public:
  /// Makes and locks config.output. Collective. On all ranks UsageError where another run holds the lock, or
  /// where there are checkpoints and config.resume is not set; IoError, elsewhere Error, where the folder
  /// cannot be made or locked, or run.json cannot be read though it may be whole (tells_damage). `world` must
  /// outlive this.
  RunFolder(const mpi::Communicator& world, const PretrainConfig& config);

  /// Tells the run from any other, also from a copy of its folder that is resumed: drawn at the first start,
  /// kept in run.json. Equal on all ranks.
  const std::string& identity() const noexcept { return identity_; }
  /// Whether run.json said at the start that the run had come to its end. Collective.
  bool finished() const;

  /// Writes config.ini, run.json with `about`, identity and the folder's own path, and band_stats.json of the
  /// corpus: what normalised the input belongs to the weights. Rank 0 only. IoError.
  void describe(const std::string& ini, Json about, const std::filesystem::path& corpus) const;
  /// Notes in run.json that the run came to its end. Rank 0 only. IoError; FormatError where run.json is
  /// damaged.
  void note_end() const;

 private:
  std::filesystem::path about() const { return path_ / "run.json"; }

  const mpi::Communicator& world_;
  std::filesystem::path path_;
  Json known_ = Json::object();  ///< run.json of the sessions before, on rank 0
  std::string identity_;
  std::optional<DirectoryLock> lock_;
};

}  // namespace terramill::train
