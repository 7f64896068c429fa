#pragma once

#include <terramill/parallel/gradient_buffer.hpp>

namespace terramill::train {

/// Injected faults (fault/injection.hpp) of what this rank is to update: its first gradient becomes NaN.
void poison_gradient(const parallel::GradientBuffer& gradients);
/// One bit of the first element of its first parameter changes.
void flip_bit(const parallel::GradientBuffer& gradients);

}  // namespace terramill::train
