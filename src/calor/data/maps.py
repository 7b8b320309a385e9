"""The functions given to ``map``: which can be traced into the compiled program, and how the others run on the host."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calor.data.operations import Batch, Cache, Map, Operation
from calor.data.source import as_arrays, spec_of, workers
from calor.errors import DataError

Element = Any
"""An array, or a tuple or other tree of arrays: (image, label), say."""


@dataclass(frozen=True)
class _ByIdentity:
    """Stands for a callable that has no hash, such as an object of a mutable dataclass."""

    function: Callable[..., Any] = field(hash=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.function is other.function

    def __hash__(self) -> int:
        return id(self.function)


@dataclass(frozen=True, eq=False)
class Stage:
    """One ``map``, with what the planner found out about it.

    Attributes:
        function: the user's.
        number: which of the dataset's maps this is.
        batched: whether it comes after ``batch`` and so takes whole batches.
        keyed: whether it has a parameter named ``key``.
        frozen: whether a ``cache`` comes after it: then the key depends on the element alone.
        traceable: whether JAX can trace it.
        gives: shapes and types of what it returns.
    """

    function: Callable[..., Any]
    number: int
    batched: bool
    keyed: bool
    frozen: bool
    traceable: bool = True
    gives: Any = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    @property
    def identity(self) -> Hashable:
        """Equal for stages that compute the same."""
        try:
            hash(self.function)
            function: Hashable = self.function
        except TypeError:
            function = _ByIdentity(self.function)
        return function, self.number, self.batched, self.keyed, self.frozen

    @property
    def name(self) -> str:
        """The function in messages: its name and where it was written."""
        code = getattr(self.function, "__code__", None)
        name = getattr(self.function, "__qualname__", None) or repr(self.function)
        return f"{name} ({code.co_filename}, line {code.co_firstlineno})" if code is not None else name

    def __call__(self, element: Element, key: Any = None) -> Element:
        """The function of one element, or of one batch."""
        arguments = element if isinstance(element, tuple) else (element,)
        result = self.function(*arguments, key=key) if self.keyed else self.function(*arguments)
        return tuple(result) if isinstance(result, list) else result

    def over(self, columns: Any, positions: Any, key: Any) -> Any:
        """The function of each row of a batch, or of the batch as a whole. Traceable.

        Args:
            columns: the elements, with a leading axis (batch,).
            positions: their positions in the source, (batch,).
            key: the random key of this step.
        """
        if not self.keyed:
            return self(columns) if self.batched else jax.vmap(self)(columns)
        keys = self.keys(positions, key)
        return self(columns, keys) if self.batched else jax.vmap(self)(columns, keys)

    def keys(self, positions: Any, key: Any) -> Any:
        """The random key of the batch, or one for each row."""
        key = jax.random.fold_in(jax.random.key(0) if self.frozen else key, self.number)
        if self.batched:
            return jax.random.fold_in(key, positions[0]) if self.frozen else key
        rows = jnp.asarray(positions) if self.frozen else jnp.arange(len(positions))
        return jax.vmap(partial(jax.random.fold_in, key))(rows)


def transform(stages: Sequence[Stage], columns: Any, positions: Any, key: Any) -> Any:
    """All stages one after the other, on a batch. Traceable; arguments as in ``Stage.over``."""
    for stage in stages:
        columns = stage.over(columns, positions, key)
    return columns


@lru_cache(maxsize=32)
def compiled(stages: tuple[Stage, ...]) -> Callable[..., Any]:
    """``transform`` of these stages, compiled: the same function wherever the same stages run."""
    return jax.jit(partial(transform, stages))


@lru_cache(maxsize=32)
def compiled_stage(stage: Stage) -> Callable[..., Any]:
    """One stage on single elements, or on whole batches, compiled."""
    return jax.jit(stage)


def resolve(
    operations: Sequence[Operation], spec: Any, sample: Callable[[], Element], *, batched: bool
) -> tuple[list[Stage], Any]:
    """Find out, for each ``map``, whether it can be traced.

    Args:
        operations: the dataset's.
        spec: shapes and types of an element of the source.
        sample: gives such an element, where a function has to be tried on one.
        batched: whether the source's elements are batches already.

    Returns:
        The stages, and shapes and types of an element in the end.

    Raises:
        DataError: a function fails both traced and on a real element, or returns no arrays.
    """
    stages: list[Stage] = []
    for place, operation in enumerate(operations):
        if isinstance(operation, Batch):
            spec = jax.tree.map(partial(_with_axis, size=operation.size), spec)
            sample = partial(_tiled, sample, operation.size)
            batched = True
        elif isinstance(operation, Map):
            frozen = any(isinstance(later, Cache) for later in operations[place:])
            stage = Stage(operation.function, len(stages), batched, _takes_key(operation.function), frozen)
            stage, sample = _tried(stage, spec, sample)
            stages.append(stage)
            spec = stage.gives
    return stages, spec


def _tried(stage: Stage, spec: Any, sample: Callable[[], Element]) -> tuple[Stage, Callable[[], Element]]:
    """The stage with ``traceable`` and ``gives`` set, and a sample of what it gives."""
    key = jax.random.key(0) if stage.keyed else None
    try:
        result = jax.eval_shape(stage, spec, key)
    except Exception:  # Whatever a tracer provokes: the function may still work on plain arrays.
        stage = replace(stage, traceable=False)
        element = HostStage(stage)(sample(), "the first example", key)
        _check_result(stage, element, spec)
        return replace(stage, gives=spec_of(element)), lambda: element
    _check_result(stage, result, spec)
    return replace(stage, gives=spec_of(result)), lambda: HostStage(stage)(sample(), "the first example", key)


def _check_result(stage: Stage, result: Any, before: Any) -> None:
    leaves = jax.tree.leaves(result)
    if not leaves:
        raise DataError(f"The map function {stage.name} returned nothing: let it return the new element.")
    if stage.batched:
        size = jax.tree.leaves(before)[0].shape[0]
        if any(leaf.shape[:1] != (size,) for leaf in leaves):
            shapes = ", ".join(str(leaf.shape) for leaf in leaves)
            raise DataError(
                f"The map function {stage.name} comes after batch() and must return as many rows as it was given, "
                f"{size}; it returned arrays of shape {shapes}."
            )


def _takes_key(function: Callable[..., Any]) -> bool:
    try:
        return "key" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # Functions written in C may have no signature.
        return False


def _with_axis(leaf: Any, size: int) -> Any:
    return jax.ShapeDtypeStruct((size, *leaf.shape), leaf.dtype)


def _tiled(sample: Callable[[], Element], size: int) -> Element:
    return jax.tree.map(lambda leaf: np.stack([leaf] * size), sample())


class HostStage:
    """A stage that runs on the host, on NumPy arrays. What it cannot do comes out as a DataError that names it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._call: Callable[..., Any] = compiled_stage(stage) if stage.traceable else stage

    def __call__(self, element: Element, where: str, key: Any) -> Element:
        """The function of an element; ``where`` says which, for the message."""
        try:
            result = self._call(element, key) if self.stage.keyed else self._call(element)
        except Exception as error:
            raise DataError(
                f"The map function {self.stage.name} fails on {where}: {type(error).__name__}: {error}"
            ) from error
        if result is None:
            raise DataError(f"The map function {self.stage.name} returned nothing: let it return the new element.")
        return as_arrays(result, f"What the map function {self.stage.name} returns")


class HostMaps:
    """The stages before and including the last one that cannot be traced, run on the host.

    Args:
        stages: in their order; those on single elements come before those on batches.
        describe: names an element of the source in messages.
    """

    def __init__(self, stages: Sequence[Stage], describe: Callable[[int], str]) -> None:
        self.stages = tuple(stages)
        self._each = [HostStage(stage) for stage in stages if not stage.batched]
        self._whole = [HostStage(stage) for stage in stages if stage.batched]
        self._describe = describe

    @property
    def keyed(self) -> bool:
        """Whether a stage takes a random key that changes from step to step."""
        return any(stage.keyed and not stage.frozen for stage in self.stages)

    def __call__(self, columns: Any, positions: np.ndarray, key: Any) -> Any:
        """The stages of a batch of real examples, without padding; arguments as in ``Stage.over``."""
        if self._each:
            keys = [call.stage.keys(positions, key) if call.stage.keyed else None for call in self._each]

            def element(row: int) -> Element:
                return self.element(_row(columns, row), int(positions[row]), [k if k is None else k[row] for k in keys])

            columns = self._stacked(list(workers().map(element, range(len(positions)))))
        for call in self._whole:
            before = columns
            where = f"the batch that begins with {self._describe(int(positions[0]))}"
            columns = call(before, where, call.stage.keys(positions, key) if call.stage.keyed else None)
            _check_result(call.stage, columns, before)
        return columns

    def element(self, element: Element, position: int, keys: Iterable[Any]) -> Element:
        """The stages of one element."""
        for call, key in zip(self._each, keys, strict=True):
            element = call(element, self._describe(position), key)
        return element

    def _stacked(self, elements: Sequence[Element]) -> Any:
        try:
            return jax.tree.map(lambda *leaves: np.stack(leaves), *elements)
        except ValueError as error:
            raise self.differing() from error

    def differing(self) -> DataError:
        """The error to raise where the results for different examples have different shapes."""
        return DataError(
            f"The map function {self.stages[-1].name} must give arrays of the same shapes for all examples, "
            "so that they fit into one batch: resize or pad them."
        )


def _row(columns: Any, row: int) -> Element:
    return jax.tree.map(lambda column: column[row], columns)
