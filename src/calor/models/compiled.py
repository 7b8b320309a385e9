"""A stack of layers with what it is to be trained by: optimizer, loss and metrics."""

from collections.abc import Sequence
from typing import Any

from calor import losses, metrics, optimizers
from calor.errors import ArgumentError, ModelStateError
from calor.models.stack import Stack


class Compiled(Stack):
    """A stack of layers that can be told how it is trained; ``Sequential`` is this and what runs it."""

    def __init__(self, layers: Sequence[Any] | None, seed: int | None, name: str) -> None:
        self.step = 0
        self.optimizer: optimizers.Optimizer | None = None
        self.optimizer_state: Any = None
        self.loss: losses.Loss | None = None
        self.metrics: list[Any] = []
        self.precision = "float32"
        self.class_names: Sequence[str] | None = None
        self._learning_rate: float | None = None
        super().__init__(layers, seed, name)

    def _changed(self) -> None:
        # The momenta belong to weights that may be gone; the next fit begins with new ones.
        self.optimizer_state = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        *,
        metrics: Sequence[Any] | None = None,
        precision: str = "float32",
    ) -> None:
        """Say how the model is trained and measured. The weights stay; the optimizer starts anew.

        Args:
            optimizer: a name (``"adam"``), a ``calor.optimizers`` object or an Optax transformation.
            loss: a name, a ``calor.losses`` object or a function of labels and outputs.
            metrics: names (``"accuracy"``), ``calor.metrics`` objects or functions, measured beside the loss.
            precision: ``"bfloat16"`` lets matrix products and convolutions multiply in bfloat16 with float32
                sums; weights and updates stay float32.

        Raises:
            UnknownNameError: a name is not known; the message gives the nearest.
        """
        if precision not in ("float32", "bfloat16"):
            raise ArgumentError(f"precision must be 'float32' or 'bfloat16', not {precision!r}.")
        if metrics is not None and isinstance(metrics, str):
            raise ArgumentError(f"metrics must be a list: write metrics=[{metrics!r}].")
        self.optimizer = optimizers.get(optimizer)
        self.loss = None if loss is None else losses.get(loss)
        self.metrics = list(metrics or [])
        self.precision = precision
        self._learning_rate = None
        self._changed()
        if self.built:
            self._resolved_metrics()

    @property
    def learning_rate(self) -> float:
        """The learning rate of now; may be set, unless the optimizer has a schedule."""
        optimizer = self._compiled("The learning rate")
        if callable(optimizer.learning_rate):
            return float(optimizer.rate(self.step))
        return float(optimizer.learning_rate) if self._learning_rate is None else self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if callable(self._compiled("The learning rate").learning_rate):
            raise ArgumentError("The optimizer's learning rate follows a schedule: it cannot be set as well.")
        self._learning_rate = float(rate)

    def _compiled(self, what: str) -> optimizers.Optimizer:
        if self.optimizer is None:
            raise ModelStateError(f"{what} needs a compiled model: call model.compile(optimizer=..., loss=...) first.")
        return self.optimizer

    def _resolved_metrics(self) -> tuple[metrics.Metric, ...]:
        shape = self.output_shape or ()
        return tuple(metrics.get(one, self.loss, shape) for one in self.metrics)
