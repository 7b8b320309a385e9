from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

from calor import optimizers
from calor.errors import ArgumentError, UnknownNameError
from calor.optimizers import schedules

STEPS = 20
START = {"kernel": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(3, np.float32)}
# Gradients of all sizes, so that epsilon counts and the running means move.
SCALES = 10.0 ** np.random.default_rng(1).uniform(-5, 1, (STEPS, 9)).astype(np.float32)
GRADIENTS = SCALES * np.random.default_rng(0).normal(0, 1, (STEPS, 9)).astype(np.float32)


def as_tree(values: Any) -> dict[str, Any]:
    return {"kernel": values[:6].reshape(2, 3), "bias": values[6:]}


def trajectory(optimizer: optimizers.Optimizer) -> np.ndarray:
    """All parameters after each of the steps, as one compiled scan."""

    def step(carry, given):
        parameters, state, count = carry
        updates, state = optimizer.update(as_tree(given), state, parameters, optimizer.rate(count))
        parameters = optax.apply_updates(parameters, updates)
        return (parameters, state, count + 1), jnp.concatenate([parameters["kernel"].ravel(), parameters["bias"]])

    start = jax.tree.map(jnp.asarray, START)
    scan = jax.jit(lambda gradients: jax.lax.scan(step, (start, optimizer.init(start), jnp.int32(0)), gradients))
    return np.asarray(scan(GRADIENTS)[1])


def trajectory_of_keras(optimizer: keras.optimizers.Optimizer) -> np.ndarray:
    variables = [keras.Variable(START["kernel"]), keras.Variable(START["bias"])]
    optimizer.build(variables)
    places = []
    for given in map(as_tree, GRADIENTS):
        optimizer.apply([jnp.asarray(given["kernel"]), jnp.asarray(given["bias"])])
        places.append(np.concatenate([np.asarray(variable.value).ravel() for variable in variables]))
    return np.stack(places)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SGD", {}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
        ("RMSprop", {}),
        ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5}),
        ("RMSprop", {"learning_rate": 0.01, "centered": True, "epsilon": 1e-3}),
        ("Adam", {}),
        ("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}),
        ("AdamW", {"learning_rate": 0.1}),
        ("AdamW", {"weight_decay": 0.1, "epsilon": 1e-2}),
    ],
)
def test_twenty_steps_are_those_of_keras(name: str, arguments: dict[str, Any]) -> None:
    ours = trajectory(getattr(optimizers, name)(**arguments))
    theirs = trajectory_of_keras(getattr(keras.optimizers, name)(**arguments))
    # float32 rounds each of the steps, of up to 10, once or twice: 20 * 2 * 6e-8 of the largest.
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_steps_with_a_schedule_are_those_of_keras() -> None:
    arguments = {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5}
    ours = trajectory(optimizers.SGD(schedules.ExponentialDecay(**arguments), momentum=0.9))
    schedule = keras.optimizers.schedules.ExponentialDecay(**arguments)
    theirs = trajectory_of_keras(keras.optimizers.SGD(schedule, momentum=0.9))
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)  # as above


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
        ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
        ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
        ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
        ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7}),
        ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "power": 0.5, "end_learning_rate": 0.01}),
        ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "cycle": True}),
        ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "alpha": 0.2}),
        (
            "CosineDecay",
            {"initial_learning_rate": 0.0, "decay_steps": 7, "warmup_target": 0.3, "warmup_steps": 4},
        ),
        ("PiecewiseConstantDecay", {"boundaries": [5, 10], "values": [0.1, 0.05, 0.01]}),
    ],
)
def test_rates_are_those_of_keras(name: str, arguments: dict[str, Any]) -> None:
    ours, theirs = getattr(schedules, name)(**arguments), getattr(keras.optimizers.schedules, name)(**arguments)
    rates = jax.jit(jax.vmap(ours))(jnp.arange(24))
    # One or two roundings of float32; the power near 0 and the cosine near -1 cancel.
    np.testing.assert_allclose(rates, [theirs(step) for step in range(24)], rtol=1e-5, atol=1e-8)
    assert float(ours(3)) == pytest.approx(float(rates[3]), rel=1e-6)
    assert hash(ours) == hash(getattr(schedules, name)(**arguments))


def test_a_rate_is_a_number_or_follows_the_steps() -> None:
    assert optimizers.Adam(0.5).rate(100) == 0.5
    assert optimizers.Adam(np.float32(0.5)).learning_rate == 0.5
    assert optimizers.SGD(lambda step: 1 / (1 + step)).rate(3) == 0.25


def test_an_optax_transformation_is_used_as_it_is() -> None:
    optimizer = optimizers.get(optax.adam(0.01))
    places = trajectory(optimizer)
    parameters = jax.tree.map(jnp.asarray, START)
    state = optax.adam(0.01).init(parameters)
    for given in GRADIENTS:
        updates, state = optax.adam(0.01).update(as_tree(given), state, parameters)
        parameters = optax.apply_updates(parameters, updates)
    np.testing.assert_allclose(places[-1][:6].reshape(2, 3), parameters["kernel"], rtol=1e-5)
    halved, _ = optimizer.update(as_tree(GRADIENTS[0]), optimizer.init(START), START, 0.5)
    np.testing.assert_allclose(START["kernel"] + 2 * halved["kernel"], places[0][:6].reshape(2, 3), rtol=1e-5)


def test_get_takes_names_classes_and_objects() -> None:
    assert optimizers.get("adam") == optimizers.get("Adam") == optimizers.get(optimizers.Adam) == optimizers.Adam()
    assert optimizers.get("rmsprop") == optimizers.RMSprop()
    assert optimizers.get("AdamW") == optimizers.AdamW()
    assert optimizers.get(optimizers.SGD(0.5)) == optimizers.SGD(0.5)


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no optimizer called 'adan'.*'adam'"):
        optimizers.get("adan")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.get(0.1), "An optimizer is a name, an Optimizer or an Optax transformation, not 0.1"),
        (lambda: optimizers.Adam(-0.1), "Adam: learning_rate must be a number at least 0, not -0.1"),
        (lambda: optimizers.Adam("0.1"), "Adam: learning_rate must be a number at least 0, not '0.1'"),
        (
            lambda: optimizers.Adam(lambda step: 0.1 if step < 3 else 0.01),
            r"steps: .* jax.numpy.where in the place of if",
        ),
        (lambda: optimizers.Adam(lambda step: None), "returned nothing: it must return one number"),
        (lambda: optimizers.Adam(lambda step: jnp.ones(3)), r"returned shape \(3,\): it must return one number"),
        (lambda: optimizers.Adam(beta_1=1.0), "Adam: beta_1 must be a number at least 0 and below 1, not 1.0"),
        (lambda: optimizers.Adam(epsilon=-1), "Adam: epsilon must be"),
        (lambda: optimizers.AdamW(weight_decay=None), "AdamW: weight_decay must be a number at least 0, not None"),
        (lambda: optimizers.SGD(momentum=1.5), "SGD: momentum must be a number at least 0 and at most 1, not 1.5"),
        (lambda: optimizers.RMSprop(rho=-1), "RMSprop: rho must be"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be a whole number from 1 up, not 0"),
        (lambda: schedules.ExponentialDecay(0.1, 1.5, 0.5), "decay_steps must be a whole number from 1 up, not 1.5"),
        (lambda: schedules.PolynomialDecay(-1, 5), "initial_learning_rate must be a number at least 0"),
        (lambda: schedules.CosineDecay(1, 5, warmup_target=-1), "CosineDecay: warmup_target must be"),
        (lambda: schedules.InverseTimeDecay(1, 5, -1), "InverseTimeDecay: decay_rate must be"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), "one more value than boundaries"),
        (lambda: schedules.PiecewiseConstantDecay([5, 1], [1, 2, 3]), "boundaries must rise"),
    ],
)
def test_arguments_that_cannot_work(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_an_optimizer_without_a_transformation() -> None:
    with pytest.raises(NotImplementedError, match="Optimizer has no transformation"):
        optimizers.Optimizer(0.1).init(START)
