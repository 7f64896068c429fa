#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace terramill::loader {

/// Where buffers come from, so that they can be page-locked. `allocate` gives at least 64-byte alignment or
/// throws.
struct Allocator {
  std::function<std::byte*(std::size_t bytes)> allocate;
  std::function<void(std::byte* memory, std::size_t bytes)> release;

  /// Pageable host memory.
  static Allocator host();
};

class BufferPool;

/// Memory lent by a pool; goes back when destroyed.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  friend class BufferPool;
  Buffer(std::shared_ptr<BufferPool> pool, std::byte* data, std::size_t bytes);
  void give_back() noexcept;

  std::shared_ptr<BufferPool> pool_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Buffers of one size, recycled. Thread-safe. Lives as long as its last buffer.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  static std::shared_ptr<BufferPool> create(std::size_t bytes, Allocator allocator);
  ~BufferPool();
  Buffer take();
  /// Buffers allocated so far, lent or idle.
  std::size_t allocated() const;

 private:
  friend class Buffer;
  BufferPool(std::size_t bytes, Allocator allocator);
  void put(std::byte* data) noexcept;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace terramill::loader
