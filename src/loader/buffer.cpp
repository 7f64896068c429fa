#include <terramill/loader/buffer.hpp>

#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace terramill::loader {
namespace {
constexpr std::align_val_t kAlignment{64};
}

Allocator Allocator::host() {
  return {[](std::size_t bytes) { return static_cast<std::byte*>(::operator new(bytes, kAlignment)); },
          [](std::byte* memory, std::size_t) { ::operator delete(memory, kAlignment); }};
}

struct BufferPool::State {
  std::size_t bytes;
  Allocator allocator;
  mutable std::mutex mutex;
  std::vector<std::byte*> idle;  // guarded by mutex
  std::size_t allocated = 0;     // guarded by mutex
};

BufferPool::BufferPool(std::size_t bytes, Allocator allocator) : state_(std::make_unique<State>()) {
  state_->bytes = bytes;
  state_->allocator = std::move(allocator);
}

std::shared_ptr<BufferPool> BufferPool::create(std::size_t bytes, Allocator allocator) {
  return std::shared_ptr<BufferPool>(new BufferPool(bytes, std::move(allocator)));
}

BufferPool::~BufferPool() {
  for (std::byte* memory : state_->idle) state_->allocator.release(memory, state_->bytes);
}

Buffer BufferPool::take() {
  const std::lock_guard lock(state_->mutex);
  if (state_->idle.empty()) {
    state_->idle.reserve(state_->allocated + 1);  // so that put() cannot fail
    std::byte* const memory = state_->allocator.allocate(state_->bytes);
    ++state_->allocated;
    return {shared_from_this(), memory, state_->bytes};
  }
  std::byte* const memory = state_->idle.back();
  state_->idle.pop_back();
  return {shared_from_this(), memory, state_->bytes};
}

std::size_t BufferPool::allocated() const {
  const std::lock_guard lock(state_->mutex);
  return state_->allocated;
}

void BufferPool::put(std::byte* data) noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->idle.push_back(data);
}

Buffer::Buffer(std::shared_ptr<BufferPool> pool, std::byte* data, std::size_t bytes)
    : pool_(std::move(pool)), data_(data), bytes_(bytes) {}

void Buffer::give_back() noexcept {
  if (pool_) pool_->put(data_);
  pool_.reset();
  data_ = nullptr;
  bytes_ = 0;
}

Buffer::~Buffer() { give_back(); }

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(std::move(other.pool_)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    give_back();
    pool_ = std::move(other.pool_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

}  // namespace terramill::loader
