import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor import activations, initializers
from calor.errors import ArgumentError, CalorWarning, ShapeError, UnknownNameError
from calor.layers import Dense

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 7), (4, 3, 2, 7)], ids=["rows", "images"])
@pytest.mark.parametrize("activation", [None, "relu", "softmax"])
def test_outputs_and_gradients_are_those_of_keras(shape: tuple[int, ...], activation: str | None) -> None:
    inputs = RANDOM.normal(size=shape).astype(np.float32)
    layer, theirs = Dense(5, activation), keras.layers.Dense(5, activation)
    parameters, state = layer.build(KEY, shape[1:])
    parameters["bias"] = jnp.arange(5.0)
    theirs.build(shape)
    theirs.set_weights([np.asarray(value) for value in parameters.values()])

    def ours(parameters, inputs):
        return layer.apply(parameters, state, inputs, training=True, key=None)[0]

    def keras_outputs(parameters, inputs):
        return theirs.stateless_call([parameters["kernel"], parameters["bias"]], [], inputs)[0]

    # Sums of seven float32 products: a few of their last bits.
    np.testing.assert_allclose(ours(parameters, inputs), theirs(inputs), rtol=1e-5, atol=1e-6)
    slopes, expected = (
        jax.grad(lambda *arguments, f=function: jnp.sum(jnp.sin(f(*arguments))), argnums=(0, 1))(parameters, inputs)
        for function in (ours, keras_outputs)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), slopes, expected)


def test_parameters_come_in_the_order_of_keras() -> None:
    parameters, state = Dense(5).build(KEY, (7,))
    assert {name: value.shape for name, value in parameters.items()} == {"kernel": (7, 5), "bias": (5,)}
    assert list(parameters) == ["kernel", "bias"]
    assert not state
    assert abs(parameters["kernel"]).max() <= (6 / 12) ** 0.5
    assert not parameters["bias"].any()


def test_without_a_bias() -> None:
    parameters, state = Dense(2, use_bias=False, kernel_initializer="ones").build(KEY, (3,))
    assert list(parameters) == ["kernel"]
    outputs, _ = Dense(2, use_bias=False).apply(parameters, state, jnp.ones((1, 3)), training=False, key=None)
    assert outputs.tolist() == [[3, 3]]


def test_identifiers_become_functions_and_objects() -> None:
    layer = Dense(np.int64(3), jax.nn.relu, bias_initializer=initializers.Constant(2.0), name="hidden")
    assert type(layer.units) is int
    assert layer.activation is jax.nn.relu
    assert layer.kernel_initializer == initializers.GlorotUniform()
    assert layer.build(KEY, (1,))[0]["bias"].tolist() == [2, 2, 2]
    assert Dense(3).activation is activations.linear


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": 0}, ArgumentError, "Dense: units must be a whole number from 1 up, not 0"),
        ({"units": 2.5}, ArgumentError, "Dense: units must be a whole number from 1 up, not 2.5"),
        ({"units": True}, ArgumentError, "not True"),
        ({"units": "10", "name": "last"}, ArgumentError, "Dense 'last': units must be .* not '10'"),
        ({"units": 2, "activation": "rulu"}, UnknownNameError, r"'rulu'\. Did you mean .*'relu'"),
        ({"units": 2, "kernel_initializer": "he"}, UnknownNameError, "no initializer called 'he'"),
    ],
)
def test_arguments_that_cannot_work(arguments, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Dense(**arguments)


def test_a_single_number_is_no_row_of_features() -> None:
    with pytest.raises(ShapeError, match="Dense needs a last axis of features"):
        Dense(2).build(KEY, ())


def test_a_softmax_over_one_unit_is_warned_of() -> None:
    with pytest.warns(CalorWarning, match="Dense: a softmax over 1 unit is always 1. Use activation='sigmoid'"):
        Dense(1, "softmax")
