#pragma once

#include <terramill/mpi/communicator.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace terramill::train {

/// What ranks tell each other after a step, in one reduction: of each field the largest value counts.
class StepVote {
 public:
  enum class Field : std::uint8_t {
    kStop,       ///< 1: end with a checkpoint
    kSave,       ///< 1: a checkpoint is due
    kSaveLocal,  ///< 1: one on the nodes' disks is
    kWriting,    ///< 1: one is being written
    kReplaced,   ///< 1: tiles were found to be bad
    kCount
  };

  void say(Field field, int value) { values_[static_cast<std::size_t>(field)] = value; }
  /// Collective.
  void agree(const mpi::Communicator& world) { world.max(std::span<std::int32_t>(values_)); }
  /// This rank's value before `agree`, the largest after it.
  int operator[](Field field) const { return values_[static_cast<std::size_t>(field)]; }

 private:
  std::array<std::int32_t, static_cast<std::size_t>(Field::kCount)> values_{};
};

}  // namespace terramill::train
