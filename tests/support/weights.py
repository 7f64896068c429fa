"""How far the weights of two runs are apart."""

import struct


def difference(a, b, kind):
    """The largest difference between two sets of weights (checkpoint_tensors), each tensor relative to max(1, its
    largest value). `kind` is the type's letter of `struct`."""
    worst, size = 0.0, struct.calcsize(kind)
    for name, data in a.items():
        if not name.startswith("model."):
            continue
        x = struct.unpack(f"<{len(data) // size}{kind}", data)
        y = struct.unpack(f"<{len(data) // size}{kind}", b[name])
        if name.endswith("attn.qkv.bias"):
            # The key's bias has the exact gradient 0, and Adam magnifies rounding: design, section 8.
            third = len(x) // 3
            x, y = x[:third] + x[2 * third:], y[:third] + y[2 * third:]
        if name.endswith("fusion.pool") and kind == "f":
            # The fusion's queries begin nearly equal: in float32 the gradient of what pools them is rounding for the most
            # part, and Adam magnifies that, too. float64 tells whether the sums are the same.
            continue
        scale = max(1.0, max(map(abs, x)))
        worst = max(worst, max(abs(p - q) for p, q in zip(x, y)) / scale)
    return worst
