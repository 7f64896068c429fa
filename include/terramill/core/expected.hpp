#pragma once

#include <type_traits>
#include <utility>
#include <variant>

namespace terramill {

/// Wraps the fault of an `Expected`, as `return Unexpected(TileFault{…})`.
template <typename E>
struct Unexpected {
  E value;
};
template <typename E>
Unexpected(E) -> Unexpected<E>;

/// Either a `T` or the recoverable fault `E` that prevented it. For data faults, which are counted and set
/// aside; what ends the work is an exception (core/error.hpp).
template <typename T, typename E>
class [[nodiscard]] Expected {
  static_assert(!std::is_same_v<T, E>);

 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Unexpected<E> fault) : state_(std::in_place_index<1>, std::move(fault.value)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Precondition: has_value(); std::bad_variant_access otherwise.
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

  /// Precondition: !has_value().
  E& error() & { return std::get<1>(state_); }
  const E& error() const& { return std::get<1>(state_); }
  E&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, E> state_;
};

}  // namespace terramill
