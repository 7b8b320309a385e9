import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor import activations
from calor.errors import ArgumentError, UnknownNameError

X = np.linspace(-6, 6, 60, dtype=np.float32).reshape(12, 5)
NAMES = ("elu", "gelu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "tanh")


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_those_of_keras(name: str) -> None:
    ours, theirs = activations.get(name), keras.activations.get(name)
    # Both compute in float32; the last bits differ where one writes the formula in another order.
    np.testing.assert_allclose(ours(jnp.asarray(X)), theirs(X), rtol=1e-6, atol=1e-6)
    slope, expected = (jax.vjp(function, jnp.asarray(X))[1](jnp.cos(X))[0] for function in (ours, theirs))
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)


def test_extreme_inputs_stay_finite() -> None:
    extreme = jnp.array([-1e30, -200.0, 0.0, 200.0, 1e30])
    for name in ("sigmoid", "softmax", "softplus", "tanh", "elu", "selu"):
        assert jnp.isfinite(activations.get(name)(extreme)).all(), name


@pytest.mark.parametrize("name", NAMES)
def test_a_name_goes_to_its_function_and_back(name: str) -> None:
    assert activations.name_of(activations.get(name)) == name
    assert activations.get(name) is getattr(activations, name)


def test_names_in_other_writing() -> None:
    assert activations.get("ReLU") is activations.relu
    assert activations.get("LeakyReLU") is activations.leaky_relu
    assert activations.get("swish") is activations.silu
    assert activations.get(None) is activations.linear


def test_functions_of_jax_are_recognised_where_they_compute_the_same() -> None:
    assert activations.get(jax.nn.relu) is jax.nn.relu
    for function in (jax.nn.relu, jax.nn.softmax, jax.nn.sigmoid, jax.nn.tanh, jnp.tanh, jax.nn.elu):
        name = activations.name_of(function)
        np.testing.assert_allclose(function(X), activations.get(name)(X), rtol=1e-6)
    assert activations.name_of(jax.nn.gelu) is None
    assert activations.name_of(jax.nn.leaky_relu) is None


def test_functions_of_the_user_have_no_name() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, x: jax.Array) -> jax.Array:
            return x

    for function in (lambda x: x, Unhashable()):
        assert activations.get(function) is function
        assert activations.name_of(function) is None


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no activation called 'rleu'.*'relu'"):
        activations.get("rleu")


def test_something_else() -> None:
    with pytest.raises(ArgumentError, match="a name or a function of an array, not 3"):
        activations.get(3)  # type: ignore[arg-type]
