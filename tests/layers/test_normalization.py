import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor.errors import ArgumentError, ShapeError
from calor.layers import BatchNormalization

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)


def built(shape: tuple[int, ...], **arguments):
    """Our layer and Keras' with the same weights, none of them what they start as."""
    layer, theirs = BatchNormalization(**arguments), keras.layers.BatchNormalization(**arguments)
    parameters, state = layer.build(KEY, shape[1:])
    theirs.build(shape)
    weights = [RANDOM.random(shape[-1:]).astype(np.float32) + 0.5 for _ in (*parameters, *state)]
    theirs.set_weights(weights)
    parameters = dict(zip(parameters, weights, strict=False))
    return layer, theirs, parameters, dict(zip(state, weights[len(parameters) :], strict=True))


@pytest.mark.parametrize("shape", [(6, 3), (6, 4, 5, 3)], ids=["rows", "images"])
@pytest.mark.parametrize(
    "arguments", [{}, {"momentum": 0.5, "epsilon": 0.1}, {"center": False}, {"scale": False}], ids=str
)
def test_outputs_averages_and_gradients_are_those_of_keras(shape: tuple[int, ...], arguments: dict) -> None:
    layer, theirs, parameters, state = built(shape, **arguments)
    inputs = RANDOM.normal(3, 2, shape).astype(np.float32)
    outputs, same = layer.apply(parameters, state, inputs, training=False, key=None)
    # Means of up to 120 float32 numbers and one division.
    np.testing.assert_allclose(outputs, theirs(inputs, training=False), rtol=1e-5, atol=1e-5)
    assert same is state

    order = list(parameters)  # jax.grad hands the dictionary over with its keys sorted

    def ours(inputs, parameters):
        return layer.apply(parameters, state, inputs, training=True, key=None)[0]

    def keras_outputs(inputs, parameters):
        trainable = [parameters[name] for name in order]
        return theirs.stateless_call(trainable, list(state.values()), inputs, training=True)[0]

    slopes, expected = (
        jax.grad(lambda *arguments, f=function: jnp.sum(jnp.sin(f(*arguments))), argnums=(0, 1))(inputs, parameters)
        for function in (ours, keras_outputs)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), slopes, expected)
    outputs, state = layer.apply(parameters, state, inputs, training=True, key=None)
    np.testing.assert_allclose(outputs, theirs(inputs, training=True), rtol=1e-5, atol=1e-5)
    for moved, reference in zip(state.values(), theirs.non_trainable_variables, strict=True):
        np.testing.assert_allclose(moved, reference.value, rtol=1e-5)


def test_weights_come_in_the_order_of_keras() -> None:
    theirs = keras.layers.BatchNormalization()
    theirs.build((None, 3))
    parameters, state = BatchNormalization().build(KEY, (3,))
    assert [*parameters, *state] == [variable.name for variable in theirs.weights]
    for ours, reference in zip((*parameters.values(), *state.values()), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, reference)


def test_rows_that_only_pad_count_for_nothing() -> None:
    layer, _, parameters, state = built((6, 4, 5, 3))
    inputs = jnp.asarray(RANDOM.normal(3, 2, (6, 4, 5, 3)), jnp.float32)
    padded = jnp.concatenate([inputs, jnp.full((2, 4, 5, 3), 1e6)])
    mask = jnp.array([1.0] * 6 + [0.0] * 2)
    outputs, moved = layer.apply(parameters, state, inputs, training=True, key=None)
    masked, moved_too = layer.apply(parameters, state, padded, training=True, key=None, mask=mask)
    np.testing.assert_allclose(masked[:6], outputs, rtol=1e-5, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), moved_too, moved)


@pytest.mark.parametrize("shape", [(8, 3), (8, 4, 5, 3)], ids=["rows", "images"])
def test_the_gradient_is_what_jax_finds_where_some_rows_do_not_count(shape: tuple[int, ...]) -> None:
    layer, _, parameters, state = built(shape)
    inputs, along = (jnp.asarray(RANDOM.normal(3, 2, shape), jnp.float32) for _ in range(2))
    mask = jnp.array([1.0] * 5 + [0.0] * 3)
    axes, counted = tuple(range(len(shape) - 1)), mask.reshape(-1, *[1] * (len(shape) - 1)) != 0

    def plain(inputs, parameters):
        mean = jnp.mean(inputs, axes, where=counted)
        variance = jnp.mean(jnp.square(inputs - mean), axes, where=counted)
        normalized = (inputs - mean) / jnp.sqrt(variance + layer.epsilon)
        return jnp.sum(along * (normalized * parameters["gamma"] + parameters["beta"]))

    def ours(inputs, parameters):
        return jnp.sum(along * layer.apply(parameters, state, inputs, training=True, key=None, mask=mask)[0])

    slopes = jax.grad(ours, argnums=(0, 1))(inputs, parameters)
    expected = jax.grad(plain, argnums=(0, 1))(inputs, parameters)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), slopes, expected)


def test_arguments_that_cannot_work() -> None:
    with pytest.raises(ArgumentError, match=r"momentum must be a number at least 0 and at most 1, not 1\.5"):
        BatchNormalization(momentum=1.5)
    with pytest.raises(ArgumentError, match="epsilon must be a number at least 0, not -1"):
        BatchNormalization(epsilon=-1)


def test_a_single_number_has_no_channels() -> None:
    with pytest.raises(ShapeError, match="BatchNormalization needs a last axis of channels"):
        BatchNormalization().build(KEY, ())
