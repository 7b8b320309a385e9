import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from calor.data import load_image
from calor.errors import ArgumentError, ImageError, UnknownNameError

GRADIENT = np.linspace(0, 255, 40).astype(np.uint8)[np.newaxis, :].repeat(30, axis=0)


def saved(path, array, mode=None, **options):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_size_is_height_and_width_and_the_result_is_bytes(tmp_path):
    path = saved(tmp_path / "a.png", GRADIENT, "RGB")
    assert load_image(path).shape == (30, 40, 3)
    pixels = load_image(str(path), (10, 20))
    assert pixels.shape == (10, 20, 3)
    assert pixels.dtype == np.uint8
    assert load_image(path, (10, 20), "grayscale").shape == (10, 20, 1)
    assert pixels.flags.writeable


def test_making_smaller_is_antialiased_except_nearest(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))
    path = saved(tmp_path / "a.png", stripes)
    for interpolation in ("bilinear", "bicubic", "lanczos", "area"):
        assert abs(load_image(path, (8, 8), "grayscale", interpolation)[2:-2, 2:-2].astype(int) - 128).max() <= 2
    assert set(np.unique(load_image(path, (8, 8), "grayscale", "nearest"))) <= {0, 255}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_the_exif_orientation_is_applied(tmp_path, orientation, suffix):
    upright = np.zeros((40, 64), np.uint8)
    upright[:20, :32] = 250
    upright[:20, 32:] = 120
    # How a camera held that way would store it: the inverse of the turn that the standard names.
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", np.ascontiguousarray(turned), "RGB", exif=exif)
    assert abs(load_image(path, None, "grayscale")[..., 0].astype(int) - upright).mean() < 3
    small = load_image(path, (20, 32), "grayscale")[..., 0]
    assert small.shape == (20, 32)
    assert abs(small.astype(int) - upright[::2, ::2]).mean() < 6


def test_reduced_jpeg_decoding_changes_no_more_than_resampling_does(tmp_path):
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).resize((1200, 900), Image.Resampling.BICUBIC)
    rough.save(tmp_path / "a.jpg", quality=95)
    full = np.asarray(Image.open(tmp_path / "a.jpg").resize((150, 100), Image.Resampling.BILINEAR)).astype(int)
    difference = abs(load_image(tmp_path / "a.jpg", (100, 150)).astype(int) - full)
    assert difference.mean() < 2


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    wide = GRADIENT.astype(np.uint16) * 257
    for name in ("a.png", "a.tif"):
        path = saved(tmp_path / name, wide)
        assert (load_image(path, None, "grayscale")[..., 0] == GRADIENT).all()
        assert (load_image(path)[..., 1] == GRADIENT).all()


@pytest.mark.parametrize(
    "values", [GRADIENT.astype(np.int32) * 257, GRADIENT.astype(np.int32), (GRADIENT / 255).astype(np.float32)]
)
def test_wide_grey_tiffs(tmp_path, values):
    path = saved(tmp_path / "a.tif", values)
    assert abs(load_image(path, None, "grayscale")[..., 0].astype(int) - GRADIENT).max() <= 1


def test_cmyk_grey_and_black_and_white(tmp_path):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    pixels = load_image(saved(tmp_path / "cmyk.jpg", red, "CMYK", quality=95), (8, 8))
    assert abs(pixels.astype(int) - [255, 0, 0]).max() < 12
    grey = load_image(saved(tmp_path / "grey.jpg", GRADIENT), (30, 40))
    assert (grey[..., 0] == grey[..., 2]).all()
    bits = load_image(saved(tmp_path / "bits.png", (GRADIENT > 127).astype(np.uint8) * 255, "1"))
    assert set(np.unique(bits)) == {0, 255}


def test_transparency_is_laid_on_white(tmp_path):
    colour = np.zeros((8, 8, 4), np.uint8)
    colour[:, 4:] = (0, 0, 255, 255)
    for mode in ("RGBA", "LA", "P"):
        image = Image.fromarray(colour)
        image = image.quantize(4) if mode == "P" else image.convert(mode)
        image.save(tmp_path / "a.png")
        pixels = load_image(tmp_path / "a.png")
        assert (pixels[:, :4] == 255).all(), mode
        assert (pixels[:, 4:, 0] < 50).all(), mode
    Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / "key.png", transparency=(10, 20, 30))
    assert (load_image(tmp_path / "key.png") == 255).all()


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100)
        assert abs(load_image(tmp_path / name, (4, 4)).astype(int) - [255, 0, 0]).max() < 8, name


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "bmp", "webp"])
def test_damaged_files_are_named(tmp_path, suffix):
    noise = np.random.default_rng(1).integers(0, 255, (50, 50, 3), np.uint8)
    path = saved(tmp_path / f"a.{suffix}", noise)
    whole = path.read_bytes()
    for kept in (10, len(whole) // 2):
        path.write_bytes(whole[:kept])
        with pytest.raises(ImageError, match=rf"a\.{suffix} is (cut off|damaged|not a picture)"):
            load_image(path, (10, 10))


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "text.jpg").write_text("I am a letter.")
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    for name, why in {
        "text.jpg": "is not a picture",
        "zero.jpg": "is empty",
        "folder.jpg": "is a folder",
        "nowhere.jpg": "does not exist",
    }.items():
        with pytest.raises(ImageError, match=rf"{name} {why}"):
            load_image(tmp_path / name)


def test_a_file_without_permission(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", GRADIENT)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(ImageError, match=r"a\.png cannot be read: there is no permission"):
        load_image(path)


def test_a_postscript_file_is_not_run(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.raises(ImageError, match="is not a picture"):
        load_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_a_decompression_bomb_is_refused(tmp_path, side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=r"bomb\.png has too many pixels"):
            load_image(tmp_path / "bomb.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_make_a_picture_unusable(tmp_path):
    path = saved(tmp_path / "a.jpg", GRADIENT, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff\x01\x00")
    assert load_image(path, (3, 4)).shape == (3, 4, 3)


def test_a_picture_whose_exif_cannot_be_read_at_all(tmp_path, monkeypatch):
    def broken(_):
        raise SyntaxError("not a TIFF file")

    path = saved(tmp_path / "a.png", GRADIENT)
    monkeypatch.setattr(Image.Image, "getexif", broken)
    assert (load_image(path, None, "grayscale")[..., 0] == GRADIENT).all()


def test_settings_that_do_not_exist(tmp_path):
    path = saved(tmp_path / "a.png", GRADIENT)
    with pytest.raises(UnknownNameError, match=r"color_mode called 'greyscale'. Did you mean 'grayscale'"):
        load_image(path, color_mode="greyscale")
    with pytest.raises(UnknownNameError, match="interpolation called 'bilinaer'"):
        load_image(path, interpolation="bilinaer")
    for size in ((0, 5), 150, (1, 2, 3), "ab"):
        with pytest.raises(ArgumentError, match=r"size is \(height, width\)"):
            load_image(path, size)
