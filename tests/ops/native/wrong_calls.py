"""Calls the handlers as no Calor function does, and reports; ``test_handlers`` runs it, as it might crash.

Run as ``python wrong_calls.py SEED``. It prints what was called last, so that after a crash one knows.
"""

import sys
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from calor.ops import native

F32, U8, I64 = np.float32, np.uint8, np.int64
BATCH, HEIGHT, WIDTH, CHANNELS, FILTERS = 2, 6, 7, 3, 5
X, Y, POOLED = (BATCH, HEIGHT, WIDTH, CHANNELS), (BATCH, 4, 6, FILTERS), (BATCH, 2, 2, FILTERS)
KERNEL, BIAS, ALONE = (3, 2, CHANNELS, FILTERS), (FILTERS,), (BATCH, 3, 3, CHANNELS)
WINDOW = {"window": np.array([1, 1, 1, 1, 0, 0], I64)}
POOL = {"pool": np.array([2, 3, 0, 0], I64)}
MATRICES, LEVELS, MODE = (BATCH, 3, 3), (3, CHANNELS), {"mode": np.array([1, 3], I64)}
AFTER = {**WINDOW, "outputs": np.array([4, 6], I64), **POOL}


@dataclass(frozen=True)
class Spec:
    """A call: the shapes and types of its operands and results, and its attributes."""

    name: str
    operands: tuple
    results: tuple
    attributes: dict = field(default_factory=dict)

    def run(self, random):
        operands = [
            random.integers(0, 256, shape).astype(dtype)
            if np.dtype(dtype) == U8
            else random.normal(size=shape).astype(dtype)
            for shape, dtype in self.operands
        ]
        results = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in self.results]
        jax.block_until_ready(jax.ffi.ffi_call(f"calor_{self.name}", results)(*operands, **self.attributes))


def f32(*shapes):
    return tuple((shape, F32) for shape in shapes)


RIGHT = (
    Spec("convolution", f32(X, KERNEL, BIAS), f32(Y), {**WINDOW, "relu": np.bool_(True)}),
    Spec("inputs_gradient", f32(Y, KERNEL), f32(X), WINDOW),
    Spec("kernel_gradient", f32(X, Y), f32(KERNEL, BIAS), WINDOW),
    Spec("pooled_convolution", f32(X, KERNEL, BIAS), (*f32(POOLED), (POOLED, U8)), AFTER),
    Spec("pooled_inputs_gradient", (*f32(POOLED), (POOLED, U8), *f32(KERNEL)), f32(X), AFTER),
    Spec("pooled_kernel_gradient", (*f32(X, POOLED), (POOLED, U8)), f32(KERNEL, BIAS), AFTER),
    Spec("max_pooling", f32(X), (*f32((BATCH, 3, 2, CHANNELS)), ((BATCH, 3, 2, CHANNELS), U8)), POOL),
    Spec("warp", ((X, U8), *f32(MATRICES, LEVELS)), f32(X), MODE),
    Spec("warp", f32(X, MATRICES, LEVELS), f32(X), MODE),
    Spec("max_pooling_gradient", (*f32((BATCH, 3, 2, CHANNELS)), ((BATCH, 3, 2, CHANNELS), U8)), f32(X), POOL),
)

# Numbers that mean nothing at these places of an attribute, whatever the shapes are.
ENORMOUS = (2**32 + 1, 2**63 - 1)
SENSELESS = {
    "window": [(index, value) for index in range(4) for value in (0, -1, *ENORMOUS)]
    + [(index, value) for index in (4, 5) for value in (-1, 3, *ENORMOUS)],
    "mode": [(index, value) for index in range(2) for value in (-1, 4, *ENORMOUS)],
    "outputs": [(index, value) for index in range(2) for value in (0, -1, *ENORMOUS)],
    "pool": [(index, value) for index in range(2) for value in (0, -1, 256, *ENORMOUS)]
    + [(index, value) for index in (2, 3) for value in (-1, 3, *ENORMOUS)],
}


def wrong(spec):
    """Calls that must be refused, and what is wrong with each."""
    for kind in ("operands", "results"):
        arrays = getattr(spec, kind)
        # What has no result, or an empty one, XLA does not even call.
        all_needed = kind == "operands" or len(arrays) > 1
        if all_needed:
            yield f"one of the {kind} too few", replace(spec, **{kind: arrays[:-1]})
        yield f"one of the {kind} too many", replace(spec, **{kind: (*arrays, arrays[-1])})
        for index, (shape, dtype) in enumerate(arrays):

            def changed(what, kind=kind, arrays=arrays, index=index):
                return replace(spec, **{kind: (*arrays[:index], what, *arrays[index + 1 :])})

            both = spec.name == "warp" and kind == "operands" and not index  # it takes pictures of either type
            for other in (np.float16, np.int32 if both else np.uint8 if dtype == F32 else F32):
                yield f"{kind}[{index}] of type {np.dtype(other)}", changed((shape, other))
            yield f"{kind}[{index}] without its last axis", changed((shape[:-1], dtype))
            yield f"{kind}[{index}] with one axis more", changed(((*shape, 1), dtype))
            yield f"{kind}[{index}] a scalar", changed(((), dtype))
            for axis in range(len(shape)) if all_needed else ():
                empty = (*shape[:axis], 0, *shape[axis + 1 :])
                yield f"{kind}[{index}] of shape {empty}", changed((empty, dtype))
            # Batch, channels and filters are said twice, once by another array; heights and widths may be others.
            for axis in {KERNEL: (-1, -2), BIAS: (0,)}.get(shape, (0, -1)):
                odd = list(shape)
                odd[axis] += 1
                yield f"{kind}[{index}] of shape {tuple(odd)}", changed((tuple(odd), dtype))
    for name, value in spec.attributes.items():
        without = {key: other for key, other in spec.attributes.items() if key != name}
        yield f"no {name}", replace(spec, attributes=without)
        for other in ("text", np.ones(6, F32), *((np.int64(1), value.astype(np.int32)) if value.ndim else ())):
            yield f"{name}={other!r}", replace(spec, attributes={**without, name: other})
        if value.ndim:
            for other in (value[:-1], np.append(value, 1), value[:0]):
                yield f"{name}={other}", replace(spec, attributes={**without, name: other})
            for index, number in SENSELESS[name]:
                other = value.copy()
                other[index] = number
                yield f"{name}={other}", replace(spec, attributes={**without, name: other})
    yield "an unknown attribute", replace(spec, attributes={**spec.attributes, "unknown": np.int64(1)})


def odd(spec, random):
    """A call with other heights, widths and numbers in attributes: it may be refused or mean something."""

    def stretched(arrays):
        return tuple(
            ((shape[0], *(max(1, size + int(random.integers(-2, 3))) for size in shape[1:3]), shape[3]), dtype)
            if len(shape) == 4 and shape != KERNEL
            else (shape, dtype)
            for shape, dtype in arrays
        )

    attributes = {
        name: np.maximum(value + random.integers(-1, 3, value.shape), 0) if value.ndim else value
        for name, value in spec.attributes.items()
    }
    return replace(spec, operands=stretched(spec.operands), results=stretched(spec.results), attributes=attributes)


def main(seed):
    random = np.random.default_rng(seed)
    assert native.available()
    refused, accepted = 0, []
    for spec in RIGHT:
        print(spec.name, "called rightly", flush=True)
        spec.run(random)
        for what, call in wrong(spec):
            print(spec.name, what, flush=True)
            try:
                call.run(random)
            except Exception:
                refused += 1
            else:
                accepted.append(f"{spec.name}: {what}")
        for _ in range(12):
            call = odd(spec, random)
            print(call, flush=True)
            try:
                call.run(random)
            except jax.errors.JaxRuntimeError as error:
                if "INVALID_ARGUMENT" not in str(error):
                    raise
    print("accepted:", accepted)
    print("refused:", refused)


if __name__ == "__main__":
    main(int(sys.argv[1]))
