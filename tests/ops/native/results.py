"""The bits of what every kernel gives, as one line of hexadecimal digits: ``test_runs`` compares those of processes."""

import hashlib

import jax
import numpy as np

from calor.ops import _kernels, native
from calor.ops._windows import kernel_windows, slide

# (batch, size, kernel's size, channels, filters): one picture cut into bands of rows, parts of a batch, Winograd's way.
CASES = ((1, 29, 3, 3, 8), (4, 30, 5, 3, 40), (17, 20, 3, 33, 33))


def digest(case, scale=1.0):
    """The results' bits, for numbers around ``scale``."""
    batch, size, taps, channels, filters = case
    random = np.random.default_rng(0)
    windows = kernel_windows((batch, size, size, channels), (taps, taps, channels, filters), (1, 1), "same")
    pool = slide("pool", (batch, size, size, filters), (2, 2), (2, 2), "same")
    shapes = (batch, size, size, channels), (filters,), (batch, size, size, filters)
    inputs, bias, arriving = ((random.normal(size=shape) * scale).astype(np.float32) for shape in shapes)
    kernel = random.normal(size=(taps, taps, channels, filters)).astype(np.float32)

    matrices = random.normal(scale=(1, 1, 9), size=(batch, 3, 3)).astype(np.float32)
    levels = random.normal(size=(3, channels)).astype(np.float32)

    @jax.jit
    def program(inputs, kernel, bias, arriving):
        outputs = _kernels.convolution(windows, True, inputs, kernel, bias)
        pooled, place = _kernels.pooled_convolution(windows, pool, inputs, kernel, bias)
        few = arriving[:, ::2, ::2]
        maxima, places = _kernels.max_pooling(pool, arriving)
        return (
            outputs,
            _kernels.inputs_gradient(windows, arriving, kernel),
            *_kernels.kernel_gradient(windows, inputs, arriving),
            pooled,
            place,
            _kernels.pooled_inputs_gradient(windows, pool, few, place, kernel),
            *_kernels.pooled_kernel_gradient(windows, pool, inputs, few, place),
            maxima,
            places,
            _kernels.max_pooling_gradient(pool, few, places),
            _kernels.warp((1, 2), inputs, matrices, levels),
            _kernels.warp((1, 1), (inputs * 9).astype(np.uint8), matrices, levels),
        )

    results = program(inputs, kernel, bias, arriving)
    return "".join(hashlib.sha256(np.asarray(array).tobytes()).hexdigest()[:8] for array in results)


if __name__ == "__main__":
    assert native.available()
    # Numbers that underflow, too: all threads flush them to zero, or none does.
    print(" ".join(digest(case, scale) for case in CASES for scale in (1.0, 1e-38)))
