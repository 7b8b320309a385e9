"""What all errors and warnings share."""

import pytest

from calor.errors import CalorWarning
from calor.layers import Dense


def test_a_warning_points_at_the_users_line() -> None:
    with pytest.warns(CalorWarning, match="always 1") as caught:
        Dense(1, activation="softmax")
    assert caught[0].filename == __file__
