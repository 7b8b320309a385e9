import jax
import jax.numpy as jnp
import pytest

from calor.errors import ArgumentError
from calor.layers import Dropout

KEY = jax.random.key(0)
ONES = jnp.ones((100, 400))


def dropped(rate: float, key: jax.Array = KEY) -> jax.Array:
    return Dropout(rate).apply({}, {}, ONES, training=True, key=key)[0]


def test_a_part_is_hidden_and_the_rest_is_scaled_up() -> None:
    outputs = dropped(0.3)
    hidden = outputs == 0
    # 40,000 draws: the fraction's deviation is sqrt(0.3 * 0.7 / 40,000) = 0.0023; four of them.
    assert float(hidden.mean()) == pytest.approx(0.3, abs=0.0092)
    assert jnp.allclose(outputs[~hidden], 1 / 0.7)
    assert 0 < hidden[0].sum() < 400, "each number is drawn for itself, not each row"


def test_the_key_decides_what_is_hidden() -> None:
    assert (dropped(0.5) == dropped(0.5)).all()
    assert (dropped(0.5) != dropped(0.5, jax.random.key(1))).any()


def test_nothing_happens_outside_training_or_at_rate_zero() -> None:
    assert Dropout(0.5).apply({}, {}, ONES, training=False, key=None)[0] is ONES
    assert Dropout(0).apply({}, {}, ONES, training=True, key=KEY)[0] is ONES


def test_the_gradient_goes_where_the_numbers_went() -> None:
    slope = jax.grad(lambda x: Dropout(0.5).apply({}, {}, x, training=True, key=KEY)[0].sum())(ONES)
    assert (slope == dropped(0.5)).all()


@pytest.mark.parametrize("rate", [1, 1.5, -0.1, "half", None])
def test_rates_that_cannot_work(rate) -> None:
    with pytest.raises(ArgumentError, match="Dropout 'drop': rate must be a number at least 0 and below 1, not"):
        Dropout(rate, name="drop")
