"""The functions given to ``map``: which can be traced into the compiled program, and how the others run on the host."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calor.data.operations import Batch, Cache, Filter, Map, Operation, PaddedBatch, TakeWhile, Unbatch, takes_key
from calor.data.padding import padded, padded_spec
from calor.data.source import as_arrays, numeric, on_threads, spec_of, spelled
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
        reason: why JAX cannot trace it.
        role: the operation that it was given to.
    """

    function: Callable[..., Any]
    number: int
    batched: bool
    keyed: bool
    frozen: bool
    traceable: bool = True
    gives: Any = None
    reason: str = ""
    role: str = "map"

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

    @property
    def title(self) -> str:
        """The function as the subject of a message."""
        return f"The {self.role} function {self.name}"

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


class Resolver:
    """Finds out, operation by operation, whether each function can be traced.

    Args:
        operations: the dataset's.
        spec: shapes and types of an element of the source.
        sample: gives such an element, where a function has to be tried on one.
        batched: whether the source's elements are batches already.

    Attributes:
        stages: the ``map`` functions so far.
        predicates: the functions given to ``filter`` and ``take_while`` so far, by the place of the operation.
        spec, sample, batched: of the elements so far.
    """

    def __init__(
        self, operations: Sequence[Operation], spec: Any, sample: Callable[[], Element], *, batched: bool
    ) -> None:
        self._operations = operations
        self.spec = spec
        self.sample = sample
        self.batched = batched
        self.stages: list[Stage] = []
        self.predicates: dict[int, Stage] = {}

    def resolve(self, place: int) -> None:
        """Go on with the operation at this place.

        Raises:
            DataError: a function fails both traced and on a real element, or returns no arrays.
        """
        operation = self._operations[place]
        match operation:
            case PaddedBatch():
                self.spec = padded_spec(self.spec, operation)
                self.sample = partial(_padded, self.sample, operation)
                self.batched = True
            case Batch():
                self.spec = with_axis(self.spec, operation.size)
                self.sample = partial(_tiled, self.sample, operation.size)
                self.batched = True
            case Unbatch():
                if any(leaf.shape == () for leaf in jax.tree.leaves(self.spec)):
                    elements = f"the elements are {spelled(self.spec)}"
                    raise DataError(f"unbatch() takes arrays apart along their first axis; {elements}.")
                self.spec = spec_of(self.spec, axis=1)
                self.sample = partial(_first_row, self.sample)
                self.batched = False
            case Map(function):
                frozen = any(isinstance(later, Cache) for later in self._operations[place:])
                stage = Stage(function, len(self.stages), self.batched, takes_key(function), frozen)
                stage, self.sample = _tried(stage, self.spec, self.sample)
                self.stages.append(stage)
                self.spec = stage.gives
            case Filter(function) | TakeWhile(function):
                role = "filter" if isinstance(operation, Filter) else "take_while"
                stage = Stage(function, -1, self.batched, keyed=False, frozen=False, role=role)
                self.predicates[place] = _tried(stage, self.spec, self.sample)[0]
            case _:
                pass


def on_host(stages: Sequence[Stage]) -> int:
    """How many of the stages run on the host: up to the last one that JAX cannot trace."""
    return max((place + 1 for place, stage in enumerate(stages) if not stage.traceable), default=0)


def _tried(stage: Stage, spec: Any, sample: Callable[[], Element]) -> tuple[Stage, Callable[[], Element]]:
    """The stage with ``traceable`` and ``gives`` set, and a sample of what it gives."""
    key = jax.random.key(0) if stage.keyed else None
    try:
        if not numeric(spec):
            raise TypeError("its argument is a name, not a number")
        result = jax.eval_shape(stage, spec, key)
    except Exception as error:  # Whatever a tracer provokes: the function may still work on plain arrays.
        stage = replace(stage, traceable=False, reason=_reason(error))
        element = HostStage(stage)(sample(), "the first example", key)
        _check_result(stage, element, spec)
        return replace(stage, gives=spec_of(element)), lambda: element
    _check_result(stage, result, spec)
    return replace(stage, gives=spec_of(result)), lambda: HostStage(stage)(sample(), "the first example", key)


def _reason(error: Exception) -> str:
    """The beginning of an exception's message, which for JAX' own runs over many lines."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first if len(first) <= 80 else first[:79] + '…'}".removesuffix(": ")


def _check_result(stage: Stage, result: Any, before: Any) -> None:
    leaves = jax.tree.leaves(result)
    if stage.role != "map":
        if len(leaves) != 1 or leaves[0].shape != ():
            shapes = ", ".join(str(leaf.shape) for leaf in leaves) or "none"
            raise DataError(f"{stage.title} must return True or False; it returned arrays of shape {shapes}.")
        return
    if not leaves:
        raise DataError(f"{stage.title} returned nothing: let it return the new element.")
    if stage.batched:
        size = jax.tree.leaves(before)[0].shape[0]
        if any(leaf.shape[:1] != (size,) for leaf in leaves):
            shapes = ", ".join(str(leaf.shape) for leaf in leaves)
            raise DataError(
                f"{stage.title} comes after batch() and must return as many rows as it was given, "
                f"{size}; it returned arrays of shape {shapes}."
            )


def with_axis(spec: Any, size: int) -> Any:
    """Shapes and types of a batch of such elements."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape), leaf.dtype), spec)


def _tiled(sample: Callable[[], Element], size: int) -> Element:
    return jax.tree.map(lambda leaf: np.stack([leaf] * size), sample())


def _padded(sample: Callable[[], Element], operation: PaddedBatch) -> Element:
    return padded([sample()] * operation.size, operation)


def _first_row(sample: Callable[[], Element]) -> Element:
    return row_of(sample(), 0)


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
            raise DataError(f"{self.stage.title} fails on {where}: {type(error).__name__}: {error}") from error
        if result is None:
            raise DataError(f"{self.stage.title} returned nothing: let it return the new element.")
        return as_arrays(result, f"What the {self.stage.role} function {self.stage.name} returns")


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
            columns = self._stacked(self.each(columns, positions, key))
        for call in self._whole:
            before = columns
            where = f"the batch that begins with {self._describe(int(positions[0]))}"
            columns = call(before, where, call.stage.keys(positions, key) if call.stage.keyed else None)
            _check_result(call.stage, columns, before)
        return columns

    def each(self, columns: Any, positions: np.ndarray, key: Any) -> list[Element]:
        """The stages on single elements, of each; arguments as in ``Stage.over``."""
        keys = [call.stage.keys(positions, key) if call.stage.keyed else None for call in self._each]

        def mapped(row: int) -> Element:
            element = row_of(columns, row)
            for call, of_rows in zip(self._each, keys, strict=True):
                own = None if of_rows is None else of_rows[row]
                element = call(element, self._describe(int(positions[row])), own)
            return element

        return list(on_threads(mapped, len(positions)))

    def _stacked(self, elements: Sequence[Element]) -> Any:
        try:
            return jax.tree.map(lambda *leaves: np.stack(leaves), *elements)
        except ValueError as error:
            raise self.differing() from error

    def differing(self) -> DataError:
        """The error to raise where the results for different examples have different shapes."""
        return DataError(
            f"{self.stages[-1].title} must give arrays of the same shapes for all examples, "
            "so that they fit into one batch: resize or pad them."
        )


def row_of(columns: Any, row: int) -> Element:
    """One row of a batch."""
    return jax.tree.map(lambda column: column[row], columns)
