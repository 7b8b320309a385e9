"""Native max-pooling, alone and fused with a convolution and ReLU, and its sparse gradients, on each instruction set.

As in ``test_dense_kernels``: whole numbers are exact, other numbers within bounds; whole numbers give many windows two
equal maxima besides. ``test_every_sparse_loop`` walks through what the C++ templates of the gradients are compiled for:
kernels of 1 to 7 columns by pools of 1 to 4, each with 1, 2, 3 or more rows of the kernel (so 1 to 3 at a time), and
the channels fewer than a vector, so that a kernel's row takes several vectors of neighbours, or as many or more.
``direct`` and copied gradients of the inputs differ by padding and by channels that fill their last vector or not.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from calor.ops import _kernels, _plain
from calor.ops._windows import kernel_windows, slide
from calor.ops.pooling import disjoint_max, disjoint_max_gradient

from . import truth

COUNTS = [1, 3, 5, 8, 17, 33, 64, 67]


def pairs(most):
    return st.tuples(st.integers(1, most), st.integers(1, most))


paddings = st.sampled_from(["valid", "same"])
cases = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 9),
        "size": pairs(15),
        "extent": pairs(7) | st.just((3, 3)),
        "channels": st.sampled_from(COUNTS),
        "filters": st.sampled_from(COUNTS),
        "padding": paddings,
        "pool_size": pairs(4) | st.just((2, 2)),
        "pool_padding": paddings,
    }
)


def drawn(batch, size, extent, channels, filters, padding, pool_size, pool_padding):
    """How kernel and pool slide."""
    assume(padding == "same" or (extent[0] <= size[0] and extent[1] <= size[1]))
    windows = kernel_windows((batch, *size, channels), (*extent, channels, filters), (1, 1), padding)
    outputs = (batch, windows[0].outputs, windows[1].outputs, filters)
    assume(pool_padding == "same" or (pool_size[0] <= outputs[1] and pool_size[1] <= outputs[2]))
    return windows, slide("pool", outputs, pool_size, pool_size, pool_padding)


def whole(random, shape):
    return random.integers(-2, 3, shape)


def normal(random, shape):
    return random.normal(size=shape)


def arrays_for(windows, pool, batch, channels, filters, values):
    """The inputs, kernel, bias and arriving gradient for a pooled convolution."""
    random = np.random.default_rng(0)
    shapes = (
        (batch, windows[0].size, windows[1].size, channels),
        (windows[0].taps, windows[1].taps, channels, filters),
        (filters,),
        (batch, pool[0].outputs, pool[1].outputs, filters),
    )
    return [values(random, shape).astype(np.float32) for shape in shapes]


def native_all(windows, pool, inputs, kernel, bias, arriving):
    """The outputs, their places, and the gradients of inputs, kernel and bias, in one program."""

    @jax.jit
    def program(inputs, kernel, bias, arriving):
        outputs, place = _kernels.pooled_convolution(windows, pool, inputs, kernel, bias)
        return (
            outputs,
            place,
            _kernels.pooled_inputs_gradient(windows, pool, arriving, place, kernel),
            *_kernels.pooled_kernel_gradient(windows, pool, inputs, arriving, place),
        )

    return program(inputs, kernel, bias, arriving)


def plain_all(windows, pool, inputs, kernel, bias, arriving):
    """The same from the XLA form."""

    @jax.jit
    def program(inputs, kernel, bias, arriving):
        outputs, place = disjoint_max(pool, _plain.outputs(windows, True, inputs, kernel, bias))
        place = jnp.where(outputs > 0, place, jnp.uint8(255))
        spread = disjoint_max_gradient(pool, arriving, place)
        return (
            outputs,
            place,
            _plain.inputs_gradient(windows, spread, kernel),
            *_plain.kernel_gradient(windows, inputs, spread),
        )

    return program(inputs, kernel, bias, arriving)


def gradients(windows, pool, inputs, kernel, arriving, place):
    """The true ones for these places."""
    spread = truth.spread(pool, arriving, place)
    return truth.inputs_gradient(windows, spread, kernel), *truth.kernel_gradient(windows, inputs, spread)


def true_all(windows, pool, inputs, kernel, bias, arriving):
    convolved = truth.convolution(windows, inputs, kernel, bias).values
    outputs, place, _ = truth.greatest(pool, np.where(convolved < 0, 0, convolved))
    place = np.where(outputs > 0, place, 255)
    return outputs, place, *(one.values for one in gradients(windows, pool, inputs, kernel, arriving, place))


def assert_exact(windows, pool, batch, channels, filters, computed=native_all):
    arrays = arrays_for(windows, pool, batch, channels, filters, whole)
    for found, expected in zip(computed(windows, pool, *arrays), true_all(windows, pool, *arrays), strict=True):
        assert_array_equal(found, expected)


@given(cases)
@settings(max_examples=60)
def test_whole_numbers_are_exact_and_ties_go_to_the_first(instructions, case):
    windows, pool = drawn(**case)
    assert_exact(windows, pool, case["batch"], case["channels"], case["filters"])


@given(cases)
@settings(max_examples=8)
def test_so_are_they_in_the_xla_form(case):
    windows, pool = drawn(**case)
    assert_exact(windows, pool, case["batch"], case["channels"], case["filters"], plain_all)


@given(cases)
@settings(max_examples=15)
def test_errors_are_within_the_bounds(instructions, case):
    windows, pool = drawn(**case)
    inputs, kernel, bias, arriving = arrays_for(windows, pool, case["batch"], case["channels"], case["filters"], normal)
    outputs, place, *found = native_all(windows, pool, inputs, kernel, bias, arriving)
    convolved = truth.convolution(windows, inputs, kernel, bias)
    greatest, _, candidates = truth.greatest(pool, np.maximum(convolved.values, 0))
    limits = convolved.bound
    if kernel.shape[:2] == (3, 3):
        limits = np.maximum(limits, truth.winograd(windows, inputs, kernel, bias))
    bound = truth.greatest(pool, limits)[0]
    # A maximum is off by no more than the worst of what it is taken of; and where it was found, there is truly a number
    # that is as great but for twice that.
    truth.Known(greatest, bound).assert_close(outputs)
    place = np.asarray(place)
    assert_array_equal(place == 255, np.asarray(outputs) == 0)
    there = np.take_along_axis(candidates, np.minimum(place, candidates.shape[-1] - 1)[..., None].astype(int), -1)
    truth.Known(greatest, 2 * bound).assert_close(np.where(place == 255, greatest, there[..., 0]))
    for array, known in zip(found, gradients(windows, pool, inputs, kernel, arriving, place), strict=True):
        known.assert_close(array)


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("across", [1, 2, 3, 4])
def test_every_sparse_loop(instructions, columns, across):
    for rows, down, channels, padding in (
        (1, 3, 7, "valid"),
        (2, 1, 3, "same"),
        (3, 2, 16, "valid"),
        (5, 4, 19, "same"),
    ):
        shape = (2, rows + down, columns + 3 * across, channels)
        windows = kernel_windows(shape, (rows, columns, channels, 5), (1, 1), padding)
        outputs = (2, windows[0].outputs, windows[1].outputs, 5)
        pool = slide("pool", outputs, (down, across), (down, across), padding)
        assert_exact(windows, pool, 2, channels, 5)


@pytest.mark.parametrize("filters", [63, 64, 65, 130])
def test_more_filters_than_one_list_holds(instructions, filters):
    windows = kernel_windows((3, 8, 8, 9), (3, 3, 9, filters), (1, 1), "same")
    pool = slide("pool", (3, 8, 8, filters), (2, 2), (2, 2), "valid")
    assert_exact(windows, pool, 3, 9, filters)


@pytest.mark.parametrize("channels", [15, 16, 17, 31, 32, 37])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_kernels_of_3_by_3(instructions, channels, padding):
    """Which Winograd's way computes where there are enough channels and filters; whole numbers are exact in it, too.

    The larger pictures have more squares than are computed at a time.
    """
    for size, filters in (((5, 6), 16), ((20, 23), 19)):
        windows = kernel_windows((2, *size, channels), (3, 3, channels, filters), (1, 1), padding)
        outputs = (2, windows[0].outputs, windows[1].outputs, filters)
        for pool_padding in ("valid", "same"):
            pool = slide("pool", outputs, (2, 2), (2, 2), pool_padding)
            assert_exact(windows, pool, 2, channels, filters)


def test_pictures_that_do_not_fit_a_strip(instructions):
    """Large enough for several strips of windows, and for bands of rows."""
    windows = kernel_windows((2, 60, 70, 8), (3, 3, 8, 5), (1, 1), "same")
    pool = slide("pool", (2, 60, 70, 5), (2, 2), (2, 2), "valid")
    assert_exact(windows, pool, 2, 8, 5)


def test_pools_of_many_rows(instructions):
    windows = kernel_windows((2, 90, 6, 2), (3, 3, 2, 3), (1, 1), "same")
    for down, across in ((63, 4), (85, 3), (2, 2)):
        assert_exact(windows, slide("pool", (2, 90, 6, 3), (down, across), (down, across), "same"), 2, 2, 3)


def test_nan_is_the_greatest_and_gets_no_gradient(instructions):
    """ReLU lets no gradient pass where its input is NaN, as in the XLA form."""
    windows = kernel_windows((1, 6, 6, 3), (1, 1, 3, 5), (1, 1), "valid")
    pool = slide("pool", (1, 6, 6, 5), (3, 2), (3, 2), "valid")
    arrays = arrays_for(windows, pool, 1, 3, 5, normal)
    arrays[1] = np.abs(arrays[1]) + 1
    arrays[0][0, 1, 1, 0], arrays[0][0, 4, 4, 2], arrays[0][0, 3, 0, 1] = np.nan, np.inf, -np.inf
    found, expected = (function(windows, pool, *arrays) for function in (native_all, plain_all))
    assert np.isnan(found[0][0, 0, 0]).all()
    assert_array_equal(found[1][0, 0, 0], 255)
    assert np.isposinf(found[0][0, 1, 2]).all()
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)  # sums of four
    assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_numbers_stay_in_the_windows_that_see_them(instructions, special):
    """With 3 x 3 kernels, many channels and pools of 2 x 2, Winograd's way makes NaN of infinity in these windows."""
    windows = kernel_windows((1, 12, 12, 32), (3, 3, 32, 16), (1, 1), "valid")
    pool = slide("pool", (1, 10, 10, 16), (2, 2), (2, 2), "valid")
    arrays = arrays_for(windows, pool, 1, 32, 16, whole)
    arrays[0][0, 4, 7, 17] = special  # which the windows 1 and 2 down, 2 and 3 across see
    arrays[1][:, :, 17] = 1
    clean = arrays[0].copy()
    clean[0, 4, 7, 17] = 0
    before = _kernels.pooled_convolution(windows, pool, clean, *arrays[1:3])
    after = _kernels.pooled_convolution(windows, pool, *arrays[:3])
    sees = np.zeros((5, 5), bool)
    sees[1:3, 2:4] = True
    for array, other in zip(after, before, strict=True):
        assert_array_equal(array[0, ~sees], other[0, ~sees])
    found = np.asarray(after[0])[0, sees]
    assert np.isnan(found).all() if np.isnan(special) else (special < 0 or not np.isfinite(found).any())
    assert (np.asarray(after[1])[0, sees][np.isnan(found)] == 255).all()  # no gradient where NaN met ReLU


pool_cases = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 4),
        "size": pairs(13),
        "channels": st.sampled_from([*COUNTS, 4, 16]),
        "pool_size": pairs(5),
        "padding": paddings,
    }
)


def drawn_pool(batch, size, channels, pool_size, padding):
    """How a pool slides, pictures full of ties, and a gradient that might arrive."""
    assume(padding == "same" or (pool_size[0] <= size[0] and pool_size[1] <= size[1]))
    pool = slide("pool", (batch, *size, channels), pool_size, pool_size, padding)
    random = np.random.default_rng(0)
    inputs = random.integers(-3, 4, (batch, *size, channels)).astype(np.float32)
    arriving = random.integers(-9, 10, (batch, pool[0].outputs, pool[1].outputs, channels)).astype(np.float32)
    return pool, inputs, arriving


def pooling(pool, inputs, arriving):
    @jax.jit
    def program(inputs, arriving):
        outputs, place = _kernels.max_pooling(pool, inputs)
        return outputs, place, _kernels.max_pooling_gradient(pool, arriving, place)

    return program(inputs, arriving)


@given(pool_cases)
@settings(max_examples=40)
def test_pooling_alone(instructions, case):
    pool, inputs, arriving = drawn_pool(**case)
    outputs, place, gradient = pooling(pool, inputs, arriving)
    greatest, where, _ = truth.greatest(pool, inputs)
    assert_array_equal(outputs, greatest)
    assert_array_equal(place, where)
    assert_array_equal(gradient, truth.spread(pool, arriving, where))


@given(pool_cases, st.sampled_from([np.nan, np.inf, -np.inf, 1e-40, -0.0]))
@settings(max_examples=20)
def test_pooling_of_special_numbers(instructions, case, special):
    pool, inputs, arriving = drawn_pool(**case)
    inputs[np.random.default_rng(1).random(inputs.shape) < 0.4] = special
    if special == np.float64(1e-40):
        inputs[inputs > 0] = special  # denormal numbers and smaller
    outputs, place, gradient = pooling(pool, inputs, arriving)
    if special == np.float64(1e-40):
        assert (np.abs(outputs - truth.greatest(pool, inputs)[0]) < truth.TINY).all()  # flushed to zero, or kept
        return
    greatest, where, _ = truth.greatest(pool, inputs)
    assert_array_equal(outputs, greatest)
    assert_array_equal(place, where)
    assert_array_equal(gradient, truth.spread(pool, arriving, where))


@given(pool_cases)
@settings(max_examples=8)
def test_pooling_alone_is_that_of_the_xla_form(case):
    pool, inputs, arriving = drawn_pool(**case)
    outputs, place = jax.jit(lambda inputs: disjoint_max(pool, inputs))(inputs)
    greatest, where, _ = truth.greatest(pool, inputs)
    assert_array_equal(outputs, greatest)
    assert_array_equal(place, where)
    assert_array_equal(disjoint_max_gradient(pool, arriving, place), truth.spread(pool, arriving, where))


def test_the_largest_pool(instructions):
    inputs = np.full((2, 34, 31, 3), -1, np.float32)
    pool = slide("pool", inputs.shape, (17, 15), (17, 15), "same")
    arriving = np.arange(2 * 2 * 3 * 3, dtype=np.float32).reshape(2, 2, 3, 3)
    inputs[:, 16, 14], inputs[:, 33, 30] = 0, 0
    outputs, place, gradient = pooling(pool, inputs, arriving)
    greatest, where, _ = truth.greatest(pool, inputs)
    assert_array_equal(outputs, greatest)
    assert_array_equal(place, where)
    assert_array_equal(gradient, truth.spread(pool, arriving, where))
