"""Warping, natively and on XLA, against NumPy, where the result is exact, and SciPy, whose fill modes it has."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from calor.errors import ShapeError, UnknownNameError
from calor.ops import _kernels, native
from calor.ops.warp import FILL_MODES, warp
from calor.ops.warp import affine_matrices as uncompiled_matrices

SCIPY_MODES = {"nearest": "nearest", "constant": "grid-constant", "reflect": "reflect", "wrap": "grid-wrap"}
affine_matrices = jax.jit(uncompiled_matrices)
module = importlib.import_module("calor.ops.warp")  # the package's own attribute of that name is the function


@pytest.fixture(scope="module", autouse=True, params=["native", "xla"])
def form(request):
    """Both forms of the operation."""
    if request.param == "native" and not native.available():
        pytest.skip(native.status().reason)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "xla":
            patch.setattr(module, "_warp", jax.jit(module.plain, static_argnums=(0, 1)))
        yield request.param


def pictures(count: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (count, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def random_matrices(count: int, seed: int = 0) -> np.ndarray:
    """Rotations, shears and zooms that look far beyond all edges, in float32 values."""
    matrices = np.random.default_rng(seed).normal(scale=(1.5, 1.5, 20), size=(count, 3, 3)).astype(np.float32)
    matrices[:, 2] = (0, 0, 1)
    return matrices


def scipy_warp(images: np.ndarray, matrices: np.ndarray, fill_mode: str, order: int, fill_value: float) -> np.ndarray:
    """The same in float64, one channel at a time; SciPy's positions are (row, column) from the top left pixel."""
    _, height, width, _ = images.shape
    middle = np.array([height - 1, width - 1]) / 2
    results = np.empty(images.shape)
    for image, matrix, result in zip(images.astype(float), matrices.astype(float), results, strict=True):
        linear, shift = matrix[1::-1, 1::-1], matrix[1::-1, 2]
        for channel in range(image.shape[-1]):
            result[..., channel] = ndimage.affine_transform(
                image[..., channel],
                linear,
                offset=middle + shift - linear @ middle,
                order=order,
                mode=SCIPY_MODES[fill_mode],
                cval=fill_value,
            )
    return results


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_bilinear_is_scipys(fill_mode, dtype):
    images, matrices = pictures(20, 13, 17).astype(dtype), random_matrices(20)
    warped = warp(images, matrices, fill_mode=fill_mode, fill_value=77.5)
    assert warped.dtype == jnp.float32
    # Positions up to 100 pixels away carry float32's 1e-5, times differences between pixels of up to 255.
    np.testing.assert_allclose(warped, scipy_warp(images, matrices, fill_mode, 1, 77.5), atol=0.02)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_nearest_is_scipys(fill_mode):
    images, matrices = pictures(20, 13, 17), random_matrices(20, seed=1)
    warped = np.asarray(warp(images, matrices, interpolation="nearest", fill_mode=fill_mode, fill_value=77.5))
    # A position halfway between two pixels may be rounded either way.
    same = warped == scipy_warp(images, matrices, fill_mode, 0, 77.5)
    assert same.mean() > 0.999


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (4, 1)])
def test_pictures_of_one_pixel_or_line(fill_mode, height, width):
    images, matrices = pictures(5, height, width, 1), random_matrices(5)
    np.testing.assert_allclose(
        warp(images, matrices, fill_mode=fill_mode), scipy_warp(images, matrices, fill_mode, 1, 0.0), atol=0.02
    )


def test_the_identity_changes_nothing():
    images = pictures(2, 6, 9)
    for fill_mode in FILL_MODES:
        np.testing.assert_array_equal(warp(images, np.tile(np.eye(3), (2, 1, 1)), fill_mode=fill_mode), images)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(6, 9), (7, 4)])
def test_flips_are_exact(size, interpolation):
    images = pictures(4, *size)
    matrices = affine_matrices(zoom_x=np.array([1, -1, 1, -1]), zoom_y=np.array([1, 1, -1, -1]))
    warped = warp(images, matrices, interpolation=interpolation, fill_mode="constant")
    np.testing.assert_array_equal(warped, [images[0], images[1][:, ::-1], images[2][::-1], images[3][::-1, ::-1]])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [6, 7])
def test_quarter_turns_are_counter_clockwise(size, turns):
    images = pictures(1, size, size)
    matrices = affine_matrices(rotation=turns * np.pi / 2)
    np.testing.assert_array_equal(warp(images, matrices, interpolation="nearest")[0], np.rot90(images[0], turns))
    np.testing.assert_allclose(warp(images, matrices)[0], np.rot90(images[0], turns), atol=1e-3)


@pytest.mark.parametrize(
    ("fill_mode", "padding"),
    [("nearest", "edge"), ("constant", "constant"), ("reflect", "symmetric"), ("wrap", "wrap")],
)
@given(down=st.integers(-30, 30), right=st.integers(-30, 30))
def test_whole_shifts_are_exact(fill_mode, padding, down, right):
    images = pictures(1, 6, 9)
    beyond = np.pad(images[0], ((30, 30), (30, 30), (0, 0)), padding)
    expected = beyond[30 - down : 36 - down, 30 - right : 39 - right]
    warped = warp(images, affine_matrices(shift_x=float(right), shift_y=float(down)), fill_mode=fill_mode)
    np.testing.assert_array_equal(warped[0], expected)


def test_the_fill_value_blends_in_over_one_pixel():
    row = np.full((1, 1, 3, 1), 100, np.uint8)
    warped = warp(row, affine_matrices(shift_x=1.25), fill_mode="constant", fill_value=20.0)
    np.testing.assert_allclose(warped.ravel(), [20, 80, 100])


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_scale_and_offset_come_last(fill_mode, dtype):
    images, matrices = pictures(4, 9, 8).astype(dtype), random_matrices(4)
    scale, offset = np.array([1 / 255, 0.5, -2.0]), np.array([-0.5, 0.0, 3.0])
    bare = warp(images, matrices, fill_mode=fill_mode, fill_value=(7.0, 8.0, 9.0))
    scaled = warp(images, matrices, fill_mode=fill_mode, fill_value=(7.0, 8.0, 9.0), scale=scale, offset=offset)
    np.testing.assert_allclose(scaled, bare * scale + offset, rtol=1e-5, atol=1e-4)


def test_every_channel_has_its_fill_value():
    warped = warp(pictures(1, 3, 3), affine_matrices(shift_x=9.0), fill_mode="constant", fill_value=(1.0, 2.5, 3.0))
    np.testing.assert_array_equal(warped, np.broadcast_to([1.0, 2.5, 3.0], (1, 3, 3, 3)))


def test_bytes_and_other_numbers_of_the_same_values_are_the_same():
    images, matrices = pictures(4, 9, 8), random_matrices(4)
    expected = warp(images, matrices)
    for dtype in (np.int32, np.float16, jnp.bfloat16, np.float32):
        np.testing.assert_allclose(warp(images.astype(dtype), matrices), expected, atol=1e-3)


def test_under_vmap_each_has_its_own():
    images, matrices = pictures(6, 7, 5), random_matrices(6)
    expected = np.asarray(warp(images, matrices, fill_mode="wrap"))

    def one(image, matrix):
        return warp(image[None], matrix[None], fill_mode="wrap")[0]

    np.testing.assert_allclose(jax.jit(jax.vmap(one))(images, matrices), expected, atol=1e-3)
    twice = jax.vmap(jax.vmap(one))(images.reshape(2, 3, 7, 5, 3), matrices.reshape(2, 3, 3, 3))
    np.testing.assert_allclose(twice.reshape(expected.shape), expected, atol=1e-3)
    same_image = jax.vmap(one, (None, 0))(images[0], matrices)
    np.testing.assert_allclose(same_image, warp(np.stack([images[0]] * 6), matrices, fill_mode="wrap"), atol=1e-3)
    same_matrix = jax.vmap(one, (0, None))(images, matrices[0])
    np.testing.assert_allclose(same_matrix, warp(images, np.stack([matrices[0]] * 6), fill_mode="wrap"), atol=1e-3)


def test_under_vmap_levels_may_differ():
    images, matrices = pictures(6, 7, 5), random_matrices(6)
    scales = np.linspace(-1, 1, 6, dtype=np.float32)
    found = jax.vmap(lambda image, scale: warp(image[None], matrices[:1], scale=scale)[0])(images, scales)
    expected = warp(images, np.stack([matrices[0]] * 6)) * scales[:, None, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_no_pictures_at_all():
    assert warp(np.zeros((0, 4, 5, 3), np.uint8), np.zeros((0, 3, 3))).shape == (0, 4, 5, 3)


def test_two_warps_are_one_by_the_product():
    ramp = np.stack(np.meshgrid(np.arange(40.0), np.arange(50.0)), axis=-1)[None]
    first, second = affine_matrices(rotation=0.3, shift_x=2.0), affine_matrices(zoom_x=0.7, zoom_y=0.9, shear=0.1)
    twice = warp(warp(ramp, first), second)
    np.testing.assert_allclose(twice[0, 20:30, 15:25], warp(ramp, first @ second)[0, 20:30, 15:25], atol=1e-3)


def test_matrices_are_rotation_shift_shear_zoom_multiplied():
    angle, right, down, shear, zoom_x, zoom_y = 0.4, 3.0, -2.0, 0.2, 1.3, 0.8
    rotation = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    shift = [[1, 0, -right], [0, 1, -down], [0, 0, 1]]
    sheared = [[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]
    zoom = np.diag([zoom_x, zoom_y, 1])
    np.testing.assert_allclose(
        affine_matrices(rotation=angle, shift_x=right, shift_y=down, shear=shear, zoom_x=zoom_x, zoom_y=zoom_y)[0],
        np.linalg.multi_dot([np.array(rotation), np.array(shift), np.array(sheared), zoom]),
        atol=1e-6,
    )


def test_gradients_flow_to_images_and_matrices():
    images, matrices = pictures(2, 5, 5).astype(np.float32), affine_matrices(rotation=np.array([0.3, -0.2]))

    def energy(images, matrices):
        return (warp(images, matrices, fill_mode="reflect") ** 2).mean()

    by_images, by_matrices = jax.grad(energy, argnums=(0, 1))(images, matrices)
    step = np.zeros_like(images)
    step[0, 2, 3, 1] = 1.0
    slope = (energy(images + step, matrices) - energy(images - step, matrices)) / 2
    np.testing.assert_allclose(by_images[0, 2, 3, 1], slope, rtol=0.02)
    assert jnp.isfinite(by_matrices).all()
    assert jnp.any(by_matrices != 0)


def test_gradients_flow_to_matrices_of_bytes():
    images, matrices = pictures(2, 5, 5), affine_matrices(rotation=np.array([0.3, -0.2]))
    slopes = jax.jit(jax.grad(lambda matrices: warp(images, matrices, scale=1 / 255).var()))(matrices)
    assert jnp.isfinite(slopes).all()
    assert jnp.any(slopes != 0)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10, -1e10])
def test_a_broken_matrix_stays_inside_the_picture(value, interpolation):
    images = pictures(3, 5, 5)
    matrices = np.tile(np.eye(3), (3, 1, 1))
    matrices[0, 0, 0], matrices[1, 1, 2] = value, value
    for fill_mode in FILL_MODES:
        warped = np.asarray(warp(images, matrices, fill_mode=fill_mode, interpolation=interpolation))
        np.testing.assert_array_equal(warped[2], images[2])
        broken = warped[:2][np.isfinite(warped[:2])]
        assert ((broken >= 0) & (broken <= 255)).all()


@pytest.mark.parametrize("fill_mode", ["nearest", "constant"])
def test_nothing_is_too_far_away(fill_mode):
    images = pictures(2, 5, 7)
    far = warp(images, affine_matrices(shift_x=np.array([1e12, -1e12])), fill_mode=fill_mode, fill_value=9.0)
    expected = np.stack([images[0, :, :1], images[1, :, -1:]]) if fill_mode == "nearest" else 9.0
    np.testing.assert_array_equal(far, np.broadcast_to(expected, images.shape))


def test_pictures_too_large_for_the_kernel_are_left_to_xla(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_kernels, "warp_fits", lambda shape: False)
        patch.setattr(_kernels, "warp", None)
        images = pictures(1, 3, 11)  # of a size that was not compiled for
        np.testing.assert_array_equal(warp(images, affine_matrices(zoom_x=-1.0)), images[:, :, ::-1])
    assert _kernels.warp_fits((1, 150, 150, 3))
    assert not _kernels.warp_fits((1, 1, 2**22 + 1, 1))
    assert not _kernels.warp_fits((1, 20_000, 20_000, 3))


@pytest.mark.parametrize("shape", [(5, 5, 3), (2, 5, 5), (1, 2, 5, 5, 3), (2, 0, 5, 3)])
def test_images_must_be_a_batch_of_pictures(shape):
    with pytest.raises(ShapeError, match=r"images must have shape \(count, height, width, channels\)"):
        warp(np.zeros(shape), np.zeros((2, 3, 3)))


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 3), (2, 2, 3)])
def test_there_must_be_a_matrix_for_each_picture(shape):
    with pytest.raises(ShapeError, match=r"matrices must have shape \(2, 3, 3\)"):
        warp(np.zeros((2, 5, 5, 3)), np.zeros(shape))


@pytest.mark.parametrize("name", ["scale", "offset", "fill_value"])
def test_levels_are_one_or_one_for_each_channel(name):
    with pytest.raises(ShapeError, match=rf"{name} must be one number, or one for each of the 3 channels.* \(2,\)"):
        warp(pictures(1, 5, 5), affine_matrices(), **{name: np.ones(2)})


def test_unknown_names():
    images, matrices = pictures(1, 5, 5), affine_matrices()
    with pytest.raises(UnknownNameError, match="no fill mode called 'mirror'"):
        warp(images, matrices, fill_mode="mirror")
    with pytest.raises(UnknownNameError, match=r"no interpolation called 'bilinaer'. Did you mean 'bilinear'\?"):
        warp(images, matrices, interpolation="bilinaer")
