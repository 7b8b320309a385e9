"""A good model file, for the tests of what is done with files."""

import shutil

import numpy as np
import pytest

import calor


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A model after two steps, and its file."""
    layers = [calor.Input((3,)), calor.layers.Dense(4, "relu"), calor.layers.Dense(2)]
    model = calor.Sequential(layers, seed=7)
    model.compile("adam", "mse", metrics=["mae"])
    random = np.random.default_rng(0)
    model.fit(random.normal(size=(8, 3)), random.normal(size=(8, 2)), batch_size=4, verbose=0)
    path = tmp_path_factory.mktemp("trained") / "model.keras"
    model.save(path)
    return model, path


@pytest.fixture
def saved(trained, tmp_path):
    """A good file to change."""
    shutil.copy(trained[1], tmp_path)
    return tmp_path / "model.keras"
