"""An optimizer's memory as the list of arrays in Keras' `optimizer/vars`, to and from Optax's state."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from calor.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from calor.typing import Shape

Order = Mapping[str, Sequence[tuple[str, str]]]
"""A model's ``weight_order``."""

_INTERLEAVED = (Adam, AdamW)
"""Keras lists each parameter's two moments together; the others' trees follow one another whole."""

_KERAS = (SGD, RMSprop, *_INTERLEAVED)


def slots(optimizer: Optimizer) -> list[tuple[str, float]]:
    """The trees that one of Keras' optimizers keeps: their names in Optax's state, and Keras' sign for them.

    >>> slots(Adam()), slots(SGD()), slots(RMSprop(momentum=0.5))
    ([('mu', 1.0), ('nu', 1.0)], [], [('nu', 1.0), ('trace', -1.0)])
    """
    if isinstance(optimizer, Adam):
        return [("mu", 1.0), ("nu", 1.0)]
    if isinstance(optimizer, SGD):
        return [("trace", 1.0)] * bool(optimizer.momentum)
    assert isinstance(optimizer, RMSprop)
    # Keras subtracts its momentum from the parameter, Optax adds it.
    return [("nu", 1.0)] + [("trace", -1.0)] * bool(optimizer.momentum) + [("mu", 1.0)] * optimizer.centered


def shapes(optimizer: Optimizer, parameters: Any, order: Order) -> list[Shape]:
    """The shapes of the arrays in ``to_arrays``; nothing is computed."""
    if type(optimizer) not in _KERAS:
        return [tuple(leaf.shape) for leaf in jax.tree.leaves(jax.eval_shape(optimizer.init, parameters))]
    one = [tuple(leaf.shape) for leaf in _leaves(parameters, order)]
    count = len(slots(optimizer))
    return [shape for shape in one for _ in range(count)] if type(optimizer) in _INTERLEAVED else one * count


def to_arrays(optimizer: Optimizer, state: Any, order: Order) -> list[np.ndarray]:
    """The memory in Keras' order, or for an optimizer of the user's in JAX's."""
    if type(optimizer) not in _KERAS:
        return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    trees = [
        [sign * np.asarray(leaf) for leaf in _leaves(_slot(state, name), order)] for name, sign in slots(optimizer)
    ]
    if type(optimizer) in _INTERLEAVED:
        return [array for together in zip(*trees, strict=True) for array in together]
    return [array for tree in trees for array in tree]


def from_arrays(optimizer: Optimizer, arrays: Sequence[np.ndarray], step: int, parameters: Any, order: Order) -> Any:
    """The memory as the optimizer takes it; ``step`` is the number of steps behind it."""
    state = optimizer.init(parameters)
    if type(optimizer) not in _KERAS:
        leaves, structure = jax.tree.flatten(state)
        return jax.tree.unflatten(
            structure, [jnp.asarray(array, leaf.dtype) for array, leaf in zip(arrays, leaves, strict=True)]
        )
    interleaved = type(optimizer) in _INTERLEAVED
    values: dict[str, Any] = {"count": jnp.int32(step)} if interleaved else {}
    names = slots(optimizer)
    length = len(arrays) // max(len(names), 1)
    for index, (name, sign) in enumerate(names):
        mine = arrays[index :: len(names)] if interleaved else arrays[index * length : (index + 1) * length]
        values[name] = _tree([jnp.asarray(sign * array) for array in mine], parameters, order)
    return optax.tree.set(state, _is_slot, **values) if values else state


def steps(optimizer: Optimizer, state: Any, step: int) -> int:
    """How many steps this memory has seen: since ``compile``, where the optimizer counts them, else ``step``."""
    return int(_slot(state, "count")) if type(optimizer) in _INTERLEAVED else step


def _leaves(parameters: Any, order: Order) -> list[Any]:
    """The arrays of a tree like the parameters, in Keras' order."""
    return [
        leaf
        for layer, keys in order.items()
        for kind, key in keys
        if kind == "parameters"
        for leaf in jax.tree.leaves(parameters[layer][key])
    ]


def _tree(arrays: Sequence[jax.Array], parameters: Any, order: Order) -> dict[str, Any]:
    """The inverse of ``_leaves``."""
    values = iter(arrays)
    tree: dict[str, Any] = {layer: {} for layer in parameters}
    for layer, keys in order.items():
        for kind, key in keys:
            if kind == "parameters":
                tree[layer][key] = jax.tree.map(lambda _: next(values), parameters[layer][key])
    return tree


def _slot(state: Any, name: str) -> Any:
    return optax.tree.get(state, name, filtering=_is_slot)


def _is_slot(path: Any, value: Any) -> bool:
    """Whether it is a field of Optax's own: a parameter of the user's may be called ``mu`` too."""
    return isinstance(path[-1], optax.tree_utils.NamedTupleKey)
