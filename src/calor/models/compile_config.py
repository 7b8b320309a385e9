"""What `compile` was told, and where training has got to: Keras' `compile_config` and `optimizer/vars`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from calor import losses, metrics, optimizers
from calor.errors import CalorError, ModelFileError
from calor.models import optimizer_slots
from calor.models.compiled import Compiled
from calor.models.keras_config import Decoder, UnsupportedError, encode, encode_object
from calor.models.weights_file import OPTIMIZER, Group, WeightsFile, snake_case


def encode_compile(model: Compiled) -> dict[str, Any]:
    """Keras' record of the arguments of ``compile``.

    Raises:
        ModelFileError: a file cannot hold one of them, such as a lambda.
    """
    optimizer = model.optimizer
    if isinstance(optimizer, optimizers.OptaxOptimizer):
        raise ModelFileError("the optimizer is an Optax transformation, which is made of functions")
    return {
        "optimizer": encode_object(optimizer, "the optimizer", name=snake_case(type(optimizer).__name__)),
        "loss": encode(model.loss, "the loss"),
        "loss_weights": None,
        "metrics": [_encode_metric(one, model) for one in model.metrics] or None,
        "weighted_metrics": None,
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": "auto",
    }


def _encode_metric(metric: Any, model: Compiled) -> Any:
    if metric in ("accuracy", "acc"):
        return metric  # Keras, too, decides by loss and output which accuracy it is.
    resolved = metrics.get(metric, model.loss, model.output_shape or ())
    if isinstance(metric, str) and isinstance(resolved, metrics.FunctionMetric):
        return metric
    return encode(resolved, f"the metric {resolved.name!r}")


def optimizer_group(model: Compiled) -> Group:
    """The optimizer's arrays: the steps taken, the learning rate unless a schedule gives it, and the memory."""
    optimizer = model.optimizer
    assert optimizer is not None
    parameters, order, state = model.parameters, model.weight_order, model.optimizer_state
    steps = 0 if state is None else optimizer_slots.steps(optimizer, state, model.step)
    state = optimizer.init(parameters) if state is None else state
    arrays: list[Any] = [np.int32(steps)] + [np.float32(model.learning_rate)] * (not callable(optimizer.learning_rate))
    arrays += optimizer_slots.to_arrays(optimizer, state, order)
    return Group(OPTIMIZER, snake_case(type(optimizer).__name__), [np.asarray(array) for array in arrays])


def restore_compile(model: Compiled, config: Any, decoder: Decoder, weights: WeightsFile, precision: str) -> None:
    """Compile a loaded model as the file says, and take up the optimizer's memory.

    What only Keras can do is left out, with a remark in ``decoder.remarks``.

    Raises:
        ModelFileError: the settings make no sense, or the arrays do not belong to this optimizer.
    """
    if not isinstance(config, dict):
        raise ModelFileError(f"its compile settings are no dictionary but {config!r}. Save the model again.")
    try:
        loss = _decode_loss(config, decoder)
        optimizer = optimizers.get(_tidied(decoder.decode(config.get("optimizer"), "the optimizer")))
    except UnsupportedError as error:
        decoder.remarks.append(f"{error} The model is loaded without compile settings: call compile() to train it")
        return
    except CalorError as error:
        if isinstance(error, ModelFileError):
            raise
        decoder.remarks.append(f"{error} The model is loaded without compile settings: call compile() to train it")
        return
    trains_alike = not decoder.remarks
    chosen = _decode_metrics(config, decoder, loss, model)
    model.compile(optimizer, loss, metrics=chosen, precision=precision)
    if trains_alike:
        _restore_memory(model, weights)


def _decode_loss(config: Mapping[str, Any], decoder: Decoder) -> losses.Loss | None:
    if config.get("loss_weights") is not None:
        raise UnsupportedError("The loss has loss_weights, which Calor does not have.")
    given = config.get("loss")
    if given is None:
        return None
    if isinstance(given, list) or (isinstance(given, dict) and "class_name" not in given):
        raise UnsupportedError("There are several losses, and Calor's models have one.")
    return losses.get(decoder.decode(given, "the loss"))


def _decode_metrics(config: Mapping[str, Any], decoder: Decoder, loss: Any, model: Compiled) -> list[Any]:
    given = config.get("metrics") or []
    if not isinstance(given, list) or config.get("weighted_metrics"):
        decoder.remarks.append("the metrics are given by output or weighted, which Calor does not have: left out")
        return []
    chosen = []
    for one in given:
        try:
            metric = decoder.decode(one, "the metric")
            metrics.get(metric, loss, model.output_shape or ())
        except CalorError as error:
            decoder.remarks.append(f"{error} It is left out")
        else:
            chosen.append(metric)
    return chosen


def _tidied(optimizer: Any) -> Any:
    """The learning rate as it was written: Keras stores 0.1 as the float32 nearest to it, 0.10000000149011612."""
    rate = getattr(optimizer, "learning_rate", None)
    if isinstance(rate, float) and np.float32(rate) == rate:
        object.__setattr__(optimizer, "learning_rate", float(str(np.float32(rate))))
    return optimizer


def _restore_memory(model: Compiled, weights: WeightsFile) -> None:
    optimizer = model.optimizer
    assert optimizer is not None
    scheduled = callable(optimizer.learning_rate)
    head = 1 if scheduled else 2
    found = weights.paths(f"{OPTIMIZER}/")
    if not found:
        return  # Keras writes none for a model that was built after compile.
    shapes = optimizer_slots.shapes(optimizer, model.parameters, model.weight_order)
    remembers = not shapes or len(found) > head  # Keras writes no memory before the first step.
    shapes = shapes if remembers else []
    expected = {f"{OPTIMIZER}/vars/{index}": shape for index, shape in enumerate([()] * head + shapes)}
    weights.check(f"{OPTIMIZER}/", expected)
    arrays = [weights.read(path) for path in expected]
    step = int(arrays[0])
    if arrays[0].dtype.kind not in "iu" or not 0 <= step < 2**31:
        raise ModelFileError(f"its optimizer has taken {arrays[0]} steps, which cannot be. Save the model again.")
    model.step = step
    if not scheduled:
        rate = float(str(arrays[1]))
        if not 0 <= rate < float("inf"):
            raise ModelFileError(f"its learning rate is {rate}, which cannot be. Save the model again.")
        if np.float32(model.learning_rate) != arrays[1]:
            model.learning_rate = rate
    if remembers:
        model.optimizer_state = optimizer_slots.from_arrays(
            optimizer, arrays[head:], step, model.parameters, model.weight_order
        )
