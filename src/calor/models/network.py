"""A stack of layers as one pure function, with its shapes and its initial values."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from calor import activations
from calor._cache import keep_compiled_programs
from calor.errors import ArgumentError, CalorError, ShapeError
from calor.layers import Activation, Conv2D, Dense, Layer, Softmax
from calor.losses import Loss
from calor.typing import Shape

# Steps count up from 0, so no step's random key is the one that the initial weights come from.
_INITIAL = 2**31 - 1


@dataclass(frozen=True)
class Placed:
    """A layer in its place: what goes in, what comes out, and the weights between.

    ``order`` lists the weights as ``("parameters" | "state", key)``, in the order in which the layer built them:
    that of ``get_weights``. (JAX sorts the keys of the dictionaries that it hands back.)
    """

    name: str
    layer: Any
    input_shape: Shape
    output_shape: Shape
    parameters: Any
    state: Any
    order: tuple[tuple[str, str], ...]

    @property
    def trainable_count(self) -> int:
        return count(self.parameters)

    @property
    def count(self) -> int:
        return count(self.parameters) + count(self.state)


def count(tree: Any) -> int:
    """How many numbers a tree of arrays holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def place(name: str, layer: Any, input_shape: Shape, before: str | None) -> Placed:
    """Work out a layer's weights and output shape, computing nothing.

    Raises:
        ShapeError: the layer cannot work on what comes before it.
    """
    order: list[tuple[str, str]] = []

    def build(key: jax.Array) -> Any:
        parameters, state = layer.build(key, input_shape)
        order[:] = [*(("parameters", key) for key in parameters), *(("state", key) for key in state)]
        return parameters, state

    try:
        parameters, state = jax.eval_shape(build, _a_key())
        inputs = jax.ShapeDtypeStruct((2, *input_shape), jnp.float32)
        result = jax.eval_shape(
            lambda p, s, x: layer.apply(p, s, x, training=False, key=None), parameters, state, inputs
        )
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ArgumentError(f"Layer {name!r}: apply must return two things, (outputs, state).")
        outputs = result[0]
    except ShapeError as error:
        source = f"layer {before!r} before it gives" if before else "the model's input is"
        raise ShapeError(f"In layer {name!r}: {error} ({source} {input_shape}.)") from None
    except CalorError:
        raise
    except Exception as error:
        raise ShapeError(
            f"Layer {name!r} ({type(layer).__name__}) fails on inputs of shape {input_shape}: {error}"
        ) from error
    if outputs.shape[:1] != (2,):
        raise ShapeError(
            f"Layer {name!r} turned a batch of shape {(2, *input_shape)} into {outputs.shape}: "
            "the first axis is the batch and must stay."
        )
    return Placed(name, layer, input_shape, tuple(outputs.shape[1:]), parameters, state, tuple(order))


@functools.cache
def _a_key() -> Any:
    """The shape of a random key."""
    return jax.eval_shape(lambda: jax.random.key(0))


def initial_values(placed: Sequence[tuple[int, Placed]], seed: int) -> dict[str, tuple[Any, Any]]:
    """Each layer's parameters and state, by name. The key of a layer depends on the seed and its place only."""

    def build(seed: jax.Array) -> dict[str, tuple[Any, Any]]:
        key = jax.random.fold_in(jax.random.key(seed), _INITIAL)
        return {one.name: one.layer.build(jax.random.fold_in(key, index), one.input_shape) for index, one in placed}

    # It runs once, so the time goes into compiling: without optimization that takes half of it.
    number = np.uint32(seed)
    keep_compiled_programs()
    compiled = jax.jit(build).lower(number).compile({"xla_backend_optimization_level": "0"})
    return cast(dict[str, tuple[Any, Any]], compiled(number))


def fits(shape: Shape, input_shape: Shape) -> bool:
    """Whether examples of this shape can go into the network: as they are, or with a last axis of one added."""
    return shape == input_shape or (*shape, 1) == input_shape


def without_final_activation(
    placed: Sequence[Placed], loss: Loss | None
) -> tuple[Sequence[Placed], Callable[[Any], Any], Loss | None]:
    """The network up to its logits, the activation left out, and the loss on logits.

    A cross-entropy after softmax or sigmoid takes the logarithm of an exponential: computed in one step, on
    the logits, it neither overflows nor loses the gradient of a confident mistake. Where the network does not
    end so, or the loss does not ask for it, everything stays as it is.
    """
    inverse_of = getattr(loss, "inverse_of", None)
    if inverse_of is None or getattr(loss, "from_logits", True) or not placed:
        return placed, _unchanged, loss
    last = placed[-1]
    if final_activation(placed) != inverse_of:
        return placed, _unchanged, loss
    finish = activations.get(inverse_of)
    logits = dataclasses.replace(cast(Any, loss), from_logits=True)
    if type(last.layer) in (Activation, Softmax):
        return [*placed[:-1], dataclasses.replace(last, layer=_Identity())], finish, logits
    linear = dataclasses.replace(last.layer, activation=None)
    return [*placed[:-1], dataclasses.replace(last, layer=linear)], finish, logits


def final_activation(placed: Sequence[Placed]) -> str | None:
    """The name of the function that the network ends in: ``"softmax"``, ``"sigmoid"``, ...

    Only where Calor's own layers apply it: what a user's layer does with its ``activation`` nobody knows.
    """
    last: Any = placed[-1].layer if placed else None
    if type(last) is Softmax:
        return "softmax"
    return activations.name_of(last.activation) if type(last) in (Activation, Conv2D, Dense) else None


class _Identity(Layer):
    """Stands where a final activation was."""

    def apply(self, parameters: Any, state: Any, inputs: Any, *, training: bool, key: Any) -> tuple[Any, Any]:
        return inputs, state


def _unchanged(outputs: Any) -> Any:
    return outputs


def unique_names(layers: Sequence[Any]) -> Iterator[str]:
    """A name for each layer: its own, else its class's, numbered where that is taken, as Keras does.

    Raises:
        ArgumentError: two layers were given the same name.
    """
    given = [getattr(layer, "given_name", getattr(layer, "name", None)) for layer in layers]
    taken = set(given)
    seen: set[str] = set()
    for layer, name in zip(layers, given, strict=True):
        if name:
            if name in seen:
                raise ArgumentError(f"Two layers are called {name!r}: give each its own name.")
        else:
            stem = getattr(layer, "default_name", type(layer).__name__.lower())
            numbered = (f"{stem}_{number}" if number else stem for number in range(len(layers) + len(taken) + 1))
            name = next(candidate for candidate in numbered if candidate not in taken | seen)
        seen.add(name)
        yield name
