"""``tf.keras.losses``: Calor's losses, as classes and as functions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from calor import losses
from calor.compat._absent import outside
from calor.compat._from_keras import adopt, without_examples
from calor.compat._tensors import is_traced, tensor


class _OnTensors:
    """A loss that gives a tensor when it is called."""

    def __init__(self, loss: losses.Loss) -> None:
        self.stands_for = loss

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        if is_traced(y_true, y_pred):
            return self.stands_for(y_true, y_pred)
        return tensor(self.stands_for(np.asarray(y_true), np.asarray(y_pred)))

    def __repr__(self) -> str:
        return repr(self.stands_for)


_made = adopt(globals(), losses, leave=("FunctionLoss", "Loss"), wrap=_OnTensors)


def _function(name: str, loss: type[losses.Loss]) -> Callable[..., Any]:
    def call(y_true: Any, y_pred: Any, from_logits: bool = False) -> Any:
        made = loss(from_logits=True) if from_logits else loss()  # type: ignore[call-arg]
        if is_traced(y_true, y_pred):
            return made.per_example(y_true, y_pred)
        import jax.numpy as jnp

        return tensor(made.per_example(jnp.asarray(np.asarray(y_true)), jnp.asarray(np.asarray(y_pred))))

    call.__name__, call.__doc__ = name, without_examples(loss.__doc__)
    call.stands_for = loss()  # type: ignore[attr-defined]
    return call


_functions = [name for name in losses.KNOWN if name not in ("bce",)]
for _name, _loss in losses.KNOWN.items():
    globals()[_name] = _function(_name, _loss)  # type: ignore[arg-type]
MSE, MAE = globals()["mse"], globals()["mae"]

get = losses.get

__all__ = ["MAE", "MSE", "get", *_functions, *_made]

__getattr__ = outside(globals())
