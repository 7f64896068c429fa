#pragma once

#include "tile_reader.hpp"

#include <terramill/loader/loader.hpp>

#include <memory>
#include <vector>

namespace terramill::loader {

/// How a micro-batch of up to `capacity` samples lies in its buffer: request by request, each aligned to 64
/// bytes.
class BatchLayout {
 public:
  BatchLayout(const std::vector<Conversion>& conversions, int crop_size, std::size_t capacity);

  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// A micro-batch of `samples` <= capacity in `buffer`, with nothing in it yet.
  MicroBatch make(Buffer buffer, std::size_t samples) const;
  /// Where sample `i` of such a micro-batch goes.
  SamplePlace place(MicroBatch& batch, std::size_t i) const;

 private:
  const std::vector<Conversion>& conversions_;
  int crop_size_;
  std::size_t capacity_, bytes_ = 0;
  std::vector<std::size_t> offsets_;
};

}  // namespace terramill::loader
