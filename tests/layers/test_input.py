import numpy as np
import pytest

from calor.errors import ArgumentError
from calor.layers import Input


def test_the_shape_is_kept_in_whole_numbers() -> None:
    assert Input([28, np.int64(28), 1]).shape == (28, 28, 1)
    assert Input(shape=()).shape == ()
    assert Input((3,)) == Input([3])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (28, r"Input: shape must be a tuple such as \(28, 28, 1\), not 28"),
        ("28", "Input: shape must be a tuple"),
        ((None, None, 3), r"shape must be whole numbers .* not \(None, None, 3\). .* brought to one"),
        ((0,), "shape must be a whole number from 1 up, not 0"),
    ],
)
def test_shapes_that_cannot_work(shape, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Input(shape)
