#include "batch_layout.hpp"

namespace terramill::loader {

BatchLayout::BatchLayout(const std::vector<Conversion>& conversions, int crop_size, std::size_t capacity)
    : conversions_(conversions), crop_size_(crop_size), capacity_(capacity) {
  constexpr std::size_t kAlignment = 64;
  for (const Conversion& conversion : conversions) {
    offsets_.push_back(bytes_);
    const std::size_t element = conversion.integers() ? sizeof(std::int64_t) : sizeof(float);
    const std::size_t size = capacity * conversion.out_elements(crop_size) * element;
    bytes_ += (size + kAlignment - 1) / kAlignment * kAlignment;
  }
}

MicroBatch BatchLayout::make(Buffer buffer, std::size_t samples) const {
  MicroBatch batch;
  batch.positions.resize(samples);
  batch.tile_keys.resize(samples);
  batch.index_rows.resize(samples);
  batch.windows.resize(samples);
  for (std::size_t r = 0; r < conversions_.size(); ++r) {
    const Conversion& conversion = conversions_[r];
    Block block;
    block.form = conversion.form;
    block.shape = {static_cast<std::int64_t>(samples), static_cast<std::int64_t>(conversion.out_channels())};
    if (conversion.pixel()) block.shape.insert(block.shape.end(), 2, crop_size_);
    block.present.resize(samples);
    const std::size_t elements = samples * conversion.out_elements(crop_size_);
    std::byte* const start = buffer.data() + offsets_[r];
    if (conversion.integers()) {
      block.integers = {reinterpret_cast<std::int64_t*>(start), elements};
    } else {
      block.floats = {reinterpret_cast<float*>(start), elements};
    }
    batch.blocks.push_back(std::move(block));
  }
  batch.buffer = std::move(buffer);
  return batch;
}

SamplePlace BatchLayout::place(MicroBatch& batch, std::size_t i) const {
  SamplePlace place;
  place.window = batch.windows[i];
  for (std::size_t r = 0; r < conversions_.size(); ++r) {
    Block& block = batch.blocks[r];
    const std::size_t elements = conversions_[r].out_elements(crop_size_);
    Destination into;
    if (conversions_[r].integers()) {
      into.integers = block.integers.subspan(i * elements, elements);
    } else {
      into.floats = block.floats.subspan(i * elements, elements);
    }
    place.into.push_back(into);
    place.present.push_back(&block.present[i]);
  }
  return place;
}

}  // namespace terramill::loader
