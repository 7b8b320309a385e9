"""The native warp, on each instruction set, against the plain XLA form and against itself."""

import importlib
from itertools import product

import jax
import numpy as np
import pytest

from calor.ops import _kernels
from calor.ops.warp import FILL_MODES

plain = jax.jit(importlib.import_module("calor.ops.warp").plain, static_argnums=(0, 1))

# Below one vector's width and above; pictures and lines of one pixel; more rows than one thread's share.
SIZES = [(1, 1), (1, 5), (6, 1), (2, 2), (7, 8), (13, 17), (40, 33)]
CHANNELS = [1, 2, 3, 4, 5, 8, 17]  # the first four in registers, the others in eights


def drawn(size, channels, dtype, count=5):
    random = np.random.default_rng(hash((size, channels)) % 2**32)
    images = random.integers(0, 256, (count, *size, channels)).astype(dtype)
    matrices = random.normal(scale=(1, 1, 20), size=(count, 3, 3)).astype(np.float32)
    levels = random.normal(size=(3, channels)).astype(np.float32)
    return images, matrices, levels


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_bilinear_is_the_plain_form(instructions, fill_mode, dtype):
    for size, channels in product(SIZES, CHANNELS):
        images, matrices, levels = drawn(size, channels, dtype)
        found = _kernels.warp((1, FILL_MODES.index(fill_mode)), images, matrices, levels)
        # Positions of up to 200 pixels carry 1e-5, times differences of up to 255, times factors of up to 4.
        np.testing.assert_allclose(
            found, plain("bilinear", fill_mode, images, matrices, levels), atol=0.05, err_msg=f"{size} {channels}"
        )


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_nearest_is_the_plain_form(instructions, fill_mode, dtype):
    for size, channels in product(SIZES, CHANNELS):
        images, matrices, levels = drawn(size, channels, dtype)
        found = _kernels.warp((0, FILL_MODES.index(fill_mode)), images, matrices, levels)
        expected = plain("nearest", fill_mode, images, matrices, levels)
        # A position halfway between two pixels may be rounded either way.
        assert np.isclose(found, expected, rtol=1e-5, atol=1e-4).mean() > 0.995


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_maps_of_whole_pixels_are_exact(instructions, fill_mode):
    """Where no position lies between two pixels, not even a float that is no byte is changed."""
    images = np.random.default_rng(0).normal(size=(4, 9, 14, 3)).astype(np.float32)
    matrices = np.tile(np.eye(3, dtype=np.float32), (4, 1, 1))
    matrices[1:, 0, 0], matrices[2, 1, 1], matrices[3, :2, 2] = (-1, 1, -1), -1, (0, 0)
    levels = np.array([1.0, 0.0, 7.0], np.float32)[:, None].repeat(3, 1)
    found = _kernels.warp((1, FILL_MODES.index(fill_mode)), images, matrices, levels)
    np.testing.assert_array_equal(found, [images[0], images[1][:, ::-1], images[2][::-1], images[3][:, ::-1]])


def test_no_number_is_no_number(instructions):
    """As in the plain form: with a fill value it counts as outside, else one sees that something went wrong."""
    images, matrices, levels = drawn((6, 9), 3, np.uint8)
    matrices[:] = np.nan
    for number, fill_mode in enumerate(FILL_MODES):
        found = np.asarray(_kernels.warp((1, number), images, matrices, levels))
        np.testing.assert_array_equal(found, plain("bilinear", fill_mode, images, matrices, levels))
        assert np.isnan(found).all() == (fill_mode != "constant")


def test_under_vmap_it_is_called_once():
    """One call of all the pictures keeps all threads busy; one for each picture would not."""
    images, matrices, levels = drawn((6, 9), 3, np.uint8, count=12)
    images, matrices = images.reshape(4, 3, 6, 9, 3), matrices.reshape(4, 3, 3, 3)
    program = jax.jit(jax.vmap(lambda x, m: _kernels.warp((1, 0), x, m, levels))).lower(images, matrices).as_text()
    [call] = [line for line in program.splitlines() if "@calor_warp" in line]
    assert "-> tensor<12x6x9x3xf32>" in call
    assert "while" not in program
