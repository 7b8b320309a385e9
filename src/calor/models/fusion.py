"""Which layers run together as one operation, and on what: the plan that ``forward`` follows and ``explain`` shows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from calor import activations
from calor.layers import Activation, Conv2D, Dense, MaxPooling2D, ReLU
from calor.layers.chain import WarpChain, chain_from
from calor.models.network import Placed
from calor.ops import native, pooled_convolution
from calor.ops.pooled_convolution import fits
from calor.ops.pooling import side_by_side
from calor.typing import Shape

Keys: TypeAlias = Callable[[int], jax.Array]


@dataclass(frozen=True)
class Step:
    """Some layers, one after the other, that run as one operation.

    Args:
        first: the place in the model of the first of them.
        placed: the layers.
        operation: what they run as, for ``explain``.
        note: why they do not run as something faster; empty where nothing is faster.
        fused: ``(parameters of the first layer, inputs, keys) -> outputs``, or None for the layer's own ``apply``.
            ``keys`` gives a layer's random key for its place in the model; it is None outside training.
        takes_bytes: whether inputs that are uint8 reach it as they are.
    """

    first: int
    placed: tuple[Placed, ...]
    operation: str
    note: str = ""
    fused: Callable[[Any, jax.Array, Keys | None], jax.Array] | None = None
    takes_bytes: bool = False


def plan(placed: Sequence[Placed]) -> list[Step]:
    """The steps that compute this stack of layers. Layers of the user's own are left as they are."""
    return list(_steps(placed))


def _steps(placed: Sequence[Placed]) -> Iterator[Step]:
    index = 0
    while index < len(placed):
        step = _step(placed, index)
        yield step
        index += len(step.placed)


def _step(placed: Sequence[Placed], index: int) -> Step:
    layer: Any = placed[index].layer
    if type(layer) is Conv2D:
        return _convolution(placed, index)
    if chain := chain_from([one.layer for one in placed[index:]]):
        return _warp(placed, index, chain)
    if type(layer) is Dense:
        name = activations.name_of(layer.activation) or "a function of yours"
        name = "ReLU" if name == "relu" else name
        return Step(
            index, (placed[index],), "matrix product" + _added(layer) + ("" if name == "linear" else f" + {name}")
        )
    return Step(index, (placed[index],), placed[index].layer.__class__.__name__)


def _warp(placed: Sequence[Placed], index: int, chain: WarpChain) -> Step:
    def warped(_: Any, inputs: jax.Array, keys: Keys | None) -> jax.Array:
        drawn = None if keys is None else [keys(index + number) for number in range(len(chain.layers))]
        return chain(inputs, drawn)

    operation = "affine warp" + (" of uint8 or float32" if index == 0 else "") + " + rescaling" * chain.rescales
    layers = tuple(placed[index : index + len(chain.layers)])
    return Step(index, layers, operation, fused=warped, takes_bytes=True)


def _convolution(placed: Sequence[Placed], index: int) -> Step:
    layer: Any = placed[index].layer
    operation = "convolution" + _added(layer)
    after = index + 1
    name = activations.name_of(layer.activation)
    if name == "linear" and after < len(placed) and _is_relu(placed[after].layer):
        after, name = after + 1, "relu"
    following: Any = placed[after].layer if after < len(placed) else None
    note = ""
    if name == "relu" and type(following) is MaxPooling2D:
        note = _unpooled(layer, following)
        if not note:

            def pooled(parameters: Any, inputs: jax.Array, _: Keys | None) -> jax.Array:
                return pooled_convolution(
                    inputs,
                    parameters["kernel"],
                    parameters.get("bias"),
                    padding=layer.padding,
                    pool_size=following.pool_size,
                    pool_padding=following.padding,
                )

            return Step(index, tuple(placed[index : after + 1]), operation + " + ReLU + max-pooling", fused=pooled)
    # A convolution applies its own ReLU in the same pass; one that follows as a layer is a step of its own.
    own_relu = name == "relu" and after == index + 1
    return Step(index, (placed[index],), operation + (" + ReLU" if own_relu else ""), note)


def _unpooled(layer: Any, pooling: Any) -> str:
    """Why a convolution and the pooling after it do not run as one operation; empty where they do."""
    if pooling.strides != pooling.pool_size:
        return "not with the pooling: its windows do not lie side by side"
    if layer.strides != (1, 1) or layer.dilation_rate != (1, 1):
        return "not with the pooling: the kernel has strides or dilation"
    if not fits(layer.kernel_size, pooling.pool_size):
        return "not with the pooling: the kernel or the pool is too large"
    return ""


def _is_relu(layer: Any) -> bool:
    if type(layer) is ReLU:
        return layer.max_value is None
    return type(layer) is Activation and activations.name_of(layer.activation) == "relu"


def _added(layer: Any) -> str:
    return " + bias" if layer.use_bias else ""


def forward_function(placed: Sequence[Placed], input_shape: Shape) -> Callable[..., tuple[Any, Any]]:
    """``forward(parameters, state, inputs, *, training, key, mask) -> (outputs, state)``, trees by layer name."""
    steps = plan(placed)

    def forward(
        parameters: Any, state: Any, inputs: Any, *, training: bool, key: jax.Array | None, mask: jax.Array | None
    ) -> tuple[Any, Any]:
        x = jnp.asarray(inputs)
        if x.shape[1:] != input_shape:  # a scalar an example, or images without their one channel
            x = x.reshape(x.shape[0], *input_shape)
        as_it_is = x.dtype == jnp.uint8 and bool(steps) and steps[0].takes_bytes
        if (jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == jnp.bool_) and not as_it_is:
            x = x.astype(jnp.float32)
        after = dict(state)
        keys = None if key is None or not training else partial(jax.random.fold_in, key)
        for step in steps:
            one = step.placed[0]
            if step.fused is not None:
                x = step.fused(parameters[one.name], x, keys)
                continue
            options = {"mask": mask} if getattr(one.layer, "uses_mask", False) else {}
            layer_key = None if key is None else jax.random.fold_in(key, step.first)
            x, after[one.name] = one.layer.apply(
                parameters[one.name], state[one.name], x, training=training, key=layer_key, **options
            )
        return x, after

    return forward


def explain(name: str, placed: Sequence[Placed], write: Callable[[str], object] = print) -> None:
    """Write a table of the steps: their layers, the operation, what it runs on, and why not on something faster."""
    rows = [("Layers", "Operation", "Runs on")]
    for step in plan(placed):
        on, why = _runs_on(step)
        rows.append((", ".join(one.name for one in step.placed), step.operation, on + (f" ({why})" if why else "")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "─" * (sum(widths) + 4)
    write(f"Model: {name}")
    for number, row in enumerate(rows):
        if number < 2:
            write(rule)
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    write(rule)


def _runs_on(step: Step) -> tuple[str, str]:
    """What computes a step, and why it is not something faster."""
    first: Any = step.placed[0].layer
    pooling = type(first) is MaxPooling2D
    if pooling and not side_by_side(first.pool_size, first.strides):
        return "XLA", "windows too large" if first.strides == first.pool_size else "windows not side by side"
    if not (pooling or step.takes_bytes or type(first) is Conv2D):
        return "XLA", ""
    platform = jax.default_backend()
    if platform != "cpu":
        return f"XLA on {platform}", ""
    if not native.available():
        return "XLA", native.status().reason
    return f"{native.instruction_set()} kernels", step.note
