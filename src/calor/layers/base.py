"""What every layer is: a description that builds its parameters and applies a pure function of them."""

import re
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from calor.errors import ModelStateError, NotCoveredError
from calor.layers.input import Input

if TYPE_CHECKING:
    import jax
    import numpy as np

    from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class Layer:
    """The base of all layers: two pure functions and a name.

    A layer holds settings, never numbers that change: the model that it is put into keeps the parameters.
    A layer of your own is a class with these two methods; deriving it from ``Layer`` adds a name,
    ``input_shape`` and ``get_weights``.

    Args:
        name: what the layer is called in summaries, errors and files. By default the class's name in
            snake case, with a number where the model has several of that class.
        input_shape: the shape of one input, without the batch axis. Needed for a model's first layer only,
            and even there the first batch can tell.

    >>> import calor, jax.numpy as jnp
    >>> class Scale(calor.layers.Layer):
    ...     def build(self, key, input_shape):
    ...         return {"scale": jnp.ones(input_shape[-1])}, {}
    ...     def apply(self, parameters, state, inputs, *, training, key):
    ...         return inputs * parameters["scale"], state
    >>> calor.Sequential([Scale(input_shape=(3,))]).predict([[1.0, 2.0, 3.0]], verbose=0)
    array([[1., 2., 3.]], dtype=float32)
    """

    name: str | None = field(default=None, kw_only=True)
    input_shape: "Shape | None" = field(default=None, kw_only=True)

    uses_mask: ClassVar[bool] = False
    """Whether ``apply`` takes ``mask=``, the (batch,) array that is 0 for rows which only pad the last batch."""

    random_when_called: ClassVar[bool] = False
    """Whether calling the layer on a batch does what it does in training."""

    def build(self, key: "jax.Array", input_shape: "Shape") -> "tuple[Parameters, State]":
        """The initial parameters (which training changes) and state (which ``apply`` hands on).

        Args:
            key: a JAX random key for the initial values.
            input_shape: the shape of one input, without the batch axis.

        Raises:
            ShapeError: the layer cannot work on inputs of that shape.
        """
        return {}, {}

    def apply(
        self,
        parameters: "Parameters",
        state: "State",
        inputs: "jax.Array",
        *,
        training: bool,
        key: "jax.Array | None",
    ) -> "tuple[jax.Array, State]":
        """The outputs, shape (batch, ...), and the new state. A pure function, traced by JAX.

        Args:
            parameters: the tree that ``build`` gave, with the values of now.
            state: likewise.
            inputs: shape (batch, *input_shape).
            training: True in ``fit``, False in ``evaluate`` and ``predict``.
            key: a random key, fresh for every step; None unless training.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply method")

    def __call__(self, inputs: Any, /, *, training: bool | None = None) -> "jax.Array":
        """What this layer alone makes of a batch: for a look at a convolution's outputs, or at an augmentation.

        It computes with its weights in the model that it was last put into; a layer without weights needs no model.

        Args:
            inputs: shape (batch, *input_shape).
            training: as in ``fit``: then each call draws new random numbers. By default only layers that change
                pictures at random do.

        Returns:
            The outputs, shape (batch, ...).

        Raises:
            ModelStateError: the layer has weights and is in no model.
            NotCoveredError: ``inputs`` is no array, but another layer or an ``Input``; or random numbers are to be
                drawn inside a ``map`` function, which would draw them once.

        >>> import calor
        >>> calor.layers.Rescaling(1 / 255)([[0.0, 255.0]]).tolist()
        [[0.0, 1.0]]
        """
        import secrets

        import jax
        import jax.numpy as jnp

        if isinstance(inputs, Layer | Input):
            raise NotCoveredError(
                f"{type(self).__name__} was called on {type(inputs).__name__}, as in Keras' functional API, which is "
                "outside what Calor covers; the nearest thing that it has is Sequential([...]), a list of layers."
            )
        training = self.random_when_called if training is None else training
        if training and isinstance(inputs, jax.core.Tracer):
            raise NotCoveredError(
                f"{type(self).__name__} in training, inside of a function that is compiled, is outside what Calor "
                "covers; the nearest thing that it has is the layer in the model, which draws new numbers in each step."
            )
        array = jnp.asarray(inputs)
        array = array.astype(jnp.float32) if array.dtype.kind in "iub" else array
        key = jax.random.key(secrets.randbits(32)) if training else None
        parameters, state = self._weights_for(array.shape[1:])
        return self.apply(parameters, state, array, training=training, key=key)[0]

    def _weights_for(self, input_shape: "Shape") -> "tuple[Parameters, State]":
        import jax

        if not jax.tree.leaves(jax.eval_shape(lambda: self.build(jax.random.key(0), input_shape))):
            return {}, {}
        model = self._model()
        name = model.layer_names[model.layers.index(self)]
        return model.parameters[name], model.state[name]

    @property
    def default_name(self) -> str:
        """The class's name in snake case, as Keras writes it: ``max_pooling2d`` for ``MaxPooling2D``."""
        words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", type(self).__name__)
        return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()

    def get_weights(self) -> "list[np.ndarray]":
        """This layer's weights in the model it was last put into: kernel and bias of a ``Dense``, say.

        Raises:
            ModelStateError: the layer is in no model, or the model is not built yet.
        """
        return self._model().get_layer_weights(self)

    def set_weights(self, weights: "list[Any]") -> None:
        """Replace this layer's weights in the model it was last put into.

        Raises:
            ModelStateError: the layer is in no model, or the model is not built yet.
            ShapeError: another number of arrays, or another shape.
        """
        self._model().set_layer_weights(self, weights)

    def joined(self, model: Any, name: str) -> None:
        """Remember the model that holds this layer's weights, and the name it has there. Called by the model."""
        object.__setattr__(self, "_owner", weakref.ref(model))
        object.__setattr__(self, "_named_by_model", self.given_name is None)
        object.__setattr__(self, "name", name)

    @property
    def given_name(self) -> str | None:
        """The name that the user gave, None where the model chose it."""
        return None if getattr(self, "_named_by_model", False) else self.name

    def _model(self) -> Any:
        owner = getattr(self, "_owner", None)
        model = owner() if owner is not None else None
        if model is None:
            raise ModelStateError(
                f"Layer {self.name or self.default_name!r} is in no model, so it has no weights: "
                "put it into a Sequential first."
            )
        return model
