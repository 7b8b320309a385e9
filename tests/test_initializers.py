import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor import initializers
from calor.errors import ArgumentError, UnknownNameError

KEY = jax.random.key(0)
NAMES = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "random_normal",
    "random_uniform",
    "truncated_normal",
)


@pytest.mark.parametrize("shape", [(100, 300), (3, 5, 40, 50), (30_000,)], ids=["dense", "convolution", "vector"])
@pytest.mark.parametrize("name", NAMES)
def test_mean_deviation_and_limits_are_those_of_keras(name: str, shape: tuple[int, ...]) -> None:
    ours = np.asarray(initializers.get(name)(KEY, shape))
    theirs = np.asarray(keras.initializers.get(name)(shape))
    assert ours.shape == shape
    assert ours.dtype == np.float32
    # 30,000 draws: the deviation is known to 1/sqrt(60,000) = 0.4 % on each side, the mean to 0.6 % of it.
    assert ours.std() == pytest.approx(theirs.std(), rel=0.025)
    assert abs(ours.mean()) < 0.03 * ours.std()
    if name != "random_normal":  # the others are cut off, and so many draws come within 1 % of the edge
        assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.01)


def test_constants() -> None:
    assert initializers.get("zeros")(KEY, (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert initializers.get("ones")(KEY, (2,)).tolist() == [1, 1]
    assert initializers.get("constant")(KEY, (2,)).tolist() == [0, 0]
    assert initializers.Constant(3)(KEY, (), jnp.int32).dtype == jnp.int32


def test_arguments_count() -> None:
    uniform = initializers.RandomUniform(2.0, 3.0)(KEY, (1000,))
    assert uniform.min() >= 2
    assert uniform.max() < 3
    normal = initializers.TruncatedNormal(mean=5.0, stddev=0.1)(KEY, (1000,))
    assert 4.8 <= normal.min() <= normal.max() <= 5.2


def test_a_key_gives_the_same_values_and_another_key_others() -> None:
    glorot = initializers.GlorotUniform()
    assert (glorot(KEY, (4, 4)) == glorot(KEY, (4, 4))).all()
    assert (glorot(KEY, (4, 4)) != glorot(jax.random.key(1), (4, 4))).all()


def test_get_takes_names_classes_objects_and_functions() -> None:
    assert initializers.get("GlorotUniform") == initializers.get("glorot_uniform") == initializers.GlorotUniform()
    assert initializers.get(initializers.HeNormal) == initializers.HeNormal()
    assert initializers.get(initializers.Constant(2.0)) == initializers.Constant(2.0)
    assert initializers.get(jax.nn.initializers.ones) is jax.nn.initializers.ones


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no initializer called 'glorot_unifrom'.*'glorot_uniform'"):
        initializers.get("glorot_unifrom")


def test_something_else() -> None:
    with pytest.raises(ArgumentError, match="An initializer is a name or a function"):
        initializers.get(0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.Constant("1"), "Constant: value must be a finite number, not '1'"),
        (lambda: initializers.RandomUniform(1.0, 0.0), "RandomUniform: maxval must be a number at least 1, not 0.0"),
        (lambda: initializers.RandomNormal(stddev=-1), "RandomNormal: stddev must be a number at least 0, not -1"),
        (lambda: initializers.RandomNormal(mean=float("nan")), "RandomNormal: mean must be a finite number, not nan"),
    ],
)
def test_arguments_that_cannot_work(make, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
