"""Native convolution and its gradients, on each instruction set, against float64 and against the XLA form.

On small whole numbers float32 is exact in any order of summation, so there results are equal to the last bit; on other
numbers they must keep the error bounds that ``truth`` states. ``test_every_register_tile`` walks through the widths
that the C++ templates are compiled for, on vectors of 4, 8 and 16 floats alike: 1 to 13 output pixels side by side
give tiles of 1 to 6 pixels and rows cut into even and uneven tiles; the filters (and, for the inputs' gradient, the
channels) fill 1 to 4 vectors, with none, one or several numbers in the last, and need a second block; the kernel's
gradient takes up to 6 of the columns × channels numbers at a time, of which there are 1 to 21.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from calor.ops import _kernels, _lax, _patches
from calor.ops._windows import kernel_windows

from . import truth

COUNTS = [1, 3, 5, 8, 17, 33, 64, 67]  # of channels and filters; most are no multiple of any vector


def pairs(most):
    return st.tuples(st.integers(1, most), st.integers(1, most))


cases = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 9),
        "size": pairs(13),
        "extent": pairs(7),
        "channels": st.sampled_from(COUNTS),
        "filters": st.sampled_from(COUNTS),
        "strides": pairs(4),
        "padding": st.sampled_from(["valid", "same"]),
        "dilation": pairs(3),
    }
)


def drawn(batch, size, extent, channels, filters, strides, padding, dilation):
    """The windows of a convolution, and arrays of whole numbers for it."""
    reach = [(taps - 1) * step + 1 for taps, step in zip(extent, dilation, strict=True)]
    assume(padding == "same" or (reach[0] <= size[0] and reach[1] <= size[1]))
    windows = kernel_windows((batch, *size, channels), (*extent, channels, filters), strides, padding, dilation)
    return windows, arrays_for(windows, batch, channels, filters, lambda random, shape: random.integers(-3, 4, shape))


def arrays_for(windows, batch, channels, filters, values):
    """The inputs, kernel, bias and arriving gradient for a convolution."""
    rows, columns = windows
    random = np.random.default_rng(0)
    shapes = (
        (batch, rows.size, columns.size, channels),
        (rows.taps, columns.taps, channels, filters),
        (filters,),
        (batch, rows.outputs, columns.outputs, filters),
    )
    return [values(random, shape).astype(np.float32) for shape in shapes]


def all_of(windows, inputs, kernel, bias, arriving):
    """The outputs and the gradients of inputs, kernel and bias, from the native kernels in one program."""

    @jax.jit
    def program(inputs, kernel, bias, arriving):
        return (
            _kernels.convolution(windows, False, inputs, kernel, bias),
            _kernels.inputs_gradient(windows, arriving, kernel),
            *_kernels.kernel_gradient(windows, inputs, arriving),
        )

    return program(inputs, kernel, bias, arriving)


def truths(windows, inputs, kernel, bias, arriving):
    """What ``all_of`` should give. Whether Winograd's way is taken is the kernels' own affair: its bound is allowed."""
    outputs, of_inputs = (
        truth.convolution(windows, inputs, kernel, bias),
        truth.inputs_gradient(windows, arriving, kernel),
    )
    if all((window.taps, window.stride, window.dilation) == (3, 1, 1) for window in windows):
        bounds = (
            truth.winograd(windows, inputs, kernel, bias),
            truth.winograd_inputs_gradient(windows, arriving, kernel),
        )
        outputs, of_inputs = (
            one._replace(bound=np.maximum(one.bound, bound))
            for one, bound in zip((outputs, of_inputs), bounds, strict=True)
        )
    return (
        outputs,
        of_inputs,
        *truth.kernel_gradient(windows, inputs, arriving),
    )


@given(cases)
@settings(max_examples=60)
def test_whole_numbers_are_exact(instructions, case):
    windows, arrays = drawn(**case)
    for found, known in zip(all_of(windows, *arrays), truths(windows, *arrays), strict=True):
        assert_array_equal(found, known.values)


@pytest.mark.parametrize("module", [_patches, _lax])
@given(cases)
@settings(max_examples=8)
def test_whole_numbers_are_exact_in_the_xla_forms_too(module, case):
    """So the native kernels and the XLA forms are equal there."""
    windows, (inputs, kernel, bias, arriving) = drawn(**case)

    @jax.jit
    def program(inputs, kernel, bias, arriving):
        return (
            module.outputs(windows, inputs, kernel) + bias,
            module.inputs_gradient(windows, arriving, kernel),
            *module.kernel_gradient(windows, inputs, arriving),
        )

    known = truths(windows, inputs, kernel, bias, arriving)
    for found, one in zip(program(inputs, kernel, bias, arriving), known, strict=True):
        assert_array_equal(found, one.values)


def of_all_sizes(random, shape):
    """Numbers of either sign between 2⁻¹² and 2¹², so that large ones cancel and small ones get lost."""
    return random.choice([-1.0, 1.0], shape) * 2.0 ** random.uniform(-12, 12, shape)


@given(cases)
@settings(max_examples=20)
def test_errors_are_within_the_bounds(instructions, case):
    windows, whole = drawn(**case)
    (batch, *_, channels), filters = whole[0].shape, len(whole[2])
    arrays = arrays_for(windows, batch, channels, filters, of_all_sizes)
    for found, known in zip(all_of(windows, *arrays), truths(windows, *arrays), strict=True):
        known.assert_close(found)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("channels", "filters"), [(7, 5), (8, 4), (16, 8), (17, 17), (33, 16), (64, 67)])
def test_kernels_of_3_by_3(instructions, channels, filters, padding):
    """Which Winograd's way computes where there are enough channels and filters, with another bound for the errors."""
    for size, batch in (((3, 4), 3), ((19, 22), 2)):
        windows = kernel_windows((batch, *size, channels), (3, 3, channels, filters), (1, 1), padding)
        whole = arrays_for(windows, batch, channels, filters, lambda random, shape: random.integers(-3, 4, shape))
        for found, known in zip(all_of(windows, *whole), truths(windows, *whole), strict=True):
            assert_array_equal(found, known.values)
        arrays = arrays_for(windows, batch, channels, filters, of_all_sizes)
        for found, known in zip(all_of(windows, *arrays), truths(windows, *arrays), strict=True):
            known.assert_close(found)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_numbers_stay_near_the_outputs_that_see_them(instructions, special):
    """In Winograd's way 2 x 2 outputs side by side are made of the same numbers: NaN or infinity spoils all four."""
    windows = kernel_windows((1, 12, 12, 32), (3, 3, 32, 16), (1, 1), "valid")
    inputs, kernel, bias, _ = arrays_for(windows, 1, 32, 16, lambda random, shape: random.integers(1, 4, shape))
    clean = np.asarray(_kernels.convolution(windows, False, inputs, kernel, bias))
    inputs[0, 4, 7, 17] = special
    found = np.asarray(_kernels.convolution(windows, False, inputs, kernel, bias))
    sees, near = np.zeros((2, 10, 10), bool)
    sees[2:5, 5:8] = True
    near[2:6, 4:8] = True
    assert not np.isfinite(found[0, sees]).any()
    assert_array_equal(found[0, ~near], clean[0, ~near])


@pytest.mark.parametrize("filters", [1, 3, 4, 5, 8, 9, 16, 17, 24, 25, 33, 48, 49, 64, 67])
def test_every_register_tile(instructions, filters):
    for width in (1, 2, 3, 4, 5, 6, 7, 8, 10, 13):
        taps, channels = width % 4 + 1, (1, 2, 3, 5)[width % 4]
        windows = kernel_windows((2, 3, width, channels), (2, taps, channels, filters), (1, 1), "same")
        arrays = arrays_for(windows, 2, channels, filters, lambda random, shape: random.integers(-3, 4, shape))
        for found, known in zip(all_of(windows, *arrays), truths(windows, *arrays), strict=True):
            assert_array_equal(found, known.values)
        turned = kernel_windows((2, 3, width, filters), (2, taps, filters, channels), (1, 1), "same")
        arrays = arrays_for(turned, 2, filters, channels, lambda random, shape: random.integers(-3, 4, shape))
        for found, known in zip(all_of(turned, *arrays), truths(turned, *arrays), strict=True):
            assert_array_equal(found, known.values)


@pytest.mark.parametrize("batch", [1, 2, 7, 8, 9, 33])
def test_every_way_to_cut_a_batch(instructions, batch):
    """Into parts with sums of their own, at most 8, and into bands of rows where there are few pictures."""
    windows = kernel_windows((batch, 41, 5, 3), (3, 3, 3, 9), (1, 1), "valid")
    arrays = arrays_for(windows, batch, 3, 9, lambda random, shape: random.integers(-3, 4, shape))
    for found, known in zip(all_of(windows, *arrays), truths(windows, *arrays), strict=True):
        assert_array_equal(found, known.values)


def test_pixels_that_no_window_reaches_get_no_gradient(instructions):
    windows = kernel_windows((1, 9, 8, 3), (1, 2, 3, 5), (3, 4), "valid")
    arriving, kernel = np.ones((1, 3, 2, 5), np.float32), np.ones((1, 2, 3, 5), np.float32)
    expected = np.zeros((9, 8, 3))
    expected[np.ix_([0, 3, 6], [0, 1, 4, 5])] = 5
    assert_array_equal(_kernels.inputs_gradient(windows, arriving, kernel)[0], expected)


@given(cases)
@settings(max_examples=10)
def test_nan_and_infinity_come_through_where_they_should(instructions, case):
    windows, (inputs, kernel, bias, arriving) = drawn(**case)
    kernel, arriving = kernel.clip(1), arriving.clip(1)  # infinity times zero would be NaN
    random = np.random.default_rng(1)
    for special in (np.nan, np.inf, -np.inf):
        inputs.reshape(-1)[random.integers(inputs.size)] = special
    with np.errstate(invalid="ignore"):
        known = truth.convolution(windows, inputs, kernel, bias).values
        of_kernel, of_bias = truth.kernel_gradient(windows, inputs, arriving)
    assert_array_equal(_kernels.convolution(windows, False, inputs, kernel, bias), known)
    rectified = _kernels.convolution(windows, True, inputs, kernel, bias)
    assert_array_equal(rectified, np.where(known < 0, 0, known))  # NaN is not cut off
    found = _kernels.kernel_gradient(windows, inputs, arriving)
    assert_array_equal(found[0], of_kernel.values)
    assert_array_equal(found[1], of_bias.values)


def test_nan_in_a_gradient_reaches_the_pixels_that_its_window_saw(instructions):
    windows = kernel_windows((2, 7, 7, 3), (3, 3, 3, 17), (1, 1), "valid")
    arriving, kernel = np.ones((2, 5, 5, 17), np.float32), np.ones((3, 3, 3, 17), np.float32)
    arriving[1, 2, 3, 16] = np.nan
    found = _kernels.inputs_gradient(windows, arriving, kernel)
    expected = np.zeros((2, 7, 7, 3), bool)
    expected[1, 2:5, 3:6] = True
    assert_array_equal(np.isnan(found), expected)


@given(cases)
@settings(max_examples=10)
def test_denormal_numbers_are_as_good_as_zeros(instructions, case):
    """They are kept or flushed to zero; either way the result is within the bound, which allows for 2⁻¹²⁶ a product."""
    windows, arrays = drawn(**case)
    arrays = [array * np.float32(2.0**-130) for array in arrays]
    with np.errstate(under="ignore"):
        known = truths(windows, *arrays)
    for found, one in zip(all_of(windows, *arrays), known, strict=True):
        one.assert_close(found)


def test_relu_keeps_what_is_positive(instructions):
    windows = kernel_windows((1, 4, 5, 3), (3, 3, 3, 13), (1, 1), "same")
    inputs, kernel, bias, _ = arrays_for(windows, 1, 3, 13, lambda random, shape: random.normal(size=shape))
    found = _kernels.convolution(windows, False, inputs, kernel, bias)
    assert_array_equal(_kernels.convolution(windows, True, inputs, kernel, bias), jnp.maximum(found, 0))


def test_enormous_kernels_and_far_padding(instructions):
    for size, extent, dilation in (((5, 4), (33, 17), (1, 1)), ((3, 40), (2, 9), (7, 5)), ((1, 1), (7, 7), (3, 3))):
        windows = kernel_windows((2, *size, 2), (*extent, 2, 3), (2, 1), "same", dilation)
        arrays = arrays_for(windows, 2, 2, 3, lambda random, shape: random.integers(-3, 4, shape))
        for found, known in zip(all_of(windows, *arrays), truths(windows, *arrays), strict=True):
            assert_array_equal(found, known.values)
