import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor.errors import ArgumentError
from calor.layers import Rescaling


def test_pixels_become_what_they_become_in_keras() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1)
    for arguments in ((1 / 255,), (1 / 127.5, -1)):
        outputs, _ = Rescaling(*arguments).apply({}, {}, jnp.asarray(pixels), training=False, key=None)
        assert outputs.dtype == jnp.float32
        # One product and one sum in float32; XLA may round them together.
        np.testing.assert_allclose(outputs, keras.layers.Rescaling(*arguments)(pixels), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("arguments", "name"), [(("1/255",), "scale"), ((1, None), "offset"), ((np.inf,), "scale")])
def test_arguments_that_cannot_work(arguments: tuple, name: str) -> None:
    with pytest.raises(ArgumentError, match=f"Rescaling: {name} must be a finite number, not"):
        Rescaling(*arguments)
