import os
import socket
import struct
import warnings
import zlib

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

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


def decoded_at_full_scale(monkeypatch, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(JpegImageFile, "draft", lambda *_: None)
        return load_image(*arguments).astype(int)


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    """A JPEG of 1201 by 900 pixels, like a photo: light and dark down to a few pixels, and coarser colours."""
    random = np.random.default_rng(0)
    pixels = np.zeros((900, 1201, 3))
    for side, channels in ((6, 3), (25, 3), (100, 1), (400, 1)):
        noise = random.integers(0, 255, (side, side, channels), np.uint8).repeat(3 // channels, axis=2)
        pixels += np.asarray(Image.fromarray(noise).resize((1201, 900), Image.Resampling.BICUBIC)) / 4
    path = tmp_path_factory.mktemp("landscape") / "a.jpg"
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    return path


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(100, 100), (400, 130)])
def test_reduced_jpeg_decoding_changes_less_than_resampling_does(landscape, monkeypatch, size, resize, color_mode):
    def full(interpolation):
        return decoded_at_full_scale(monkeypatch, landscape, size, color_mode, interpolation, resize)

    for interpolation in ("bilinear", "bicubic", "lanczos"):
        found = load_image(landscape, size, color_mode, interpolation, resize)
        difference, own = abs(found - full(interpolation)), abs(full("bilinear") - full("lanczos"))
        assert difference.mean() < own.mean()
        assert np.percentile(difference, 99.9) <= np.percentile(own, 99.9)
    for interpolation, most in (("area", 0 if color_mode == "rgb" else 2), ("nearest", 0)):
        found = load_image(landscape, size, color_mode, interpolation, resize)
        assert abs(found - full(interpolation)).max() <= most


def test_large_jpegs_are_decoded_at_a_reduced_scale_and_never_below_the_target(landscape, monkeypatch):
    sizes = []
    draft = JpegImageFile.draft

    def watched(image, mode, size):
        result = draft(image, mode, size)
        sizes.append(image.size)
        return result

    monkeypatch.setattr(JpegImageFile, "draft", watched)
    for size in ((10, 10), (101, 136), (103, 136), (450, 600), (2000, 2000)):
        load_image(landscape, size)
    load_image(landscape, (100, 100), interpolation="area")
    assert sizes == [(151, 113), (151, 113), (301, 225), (1201, 900), (1201, 900), (1201, 900)]
    load_image(landscape, (100, 100), interpolation="nearest")
    load_image(landscape)
    assert len(sizes) == 6


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("size", [(31, 77), (150, 150), (1000, 1300)])
def test_nearest_takes_the_pixels_that_keras_takes(landscape, size, color_mode):
    for resize in ("stretch", "crop"):
        theirs = keras.utils.load_img(
            landscape,
            color_mode=color_mode,
            target_size=size,
            interpolation="nearest",
            keep_aspect_ratio=resize == "crop",
        )
        ours = load_image(landscape, size, color_mode, "nearest", resize)
        assert (ours == keras.utils.img_to_array(theirs, dtype="uint8")).all()


def test_padding_keeps_all_of_the_picture_and_cropping_takes_the_middle(tmp_path):
    path = saved(tmp_path / "a.png", GRADIENT, "RGB")  # 30 × 40
    padded = load_image(path, (40, 40), resize="pad", fill_value=7)
    assert (padded[:5] == 7).all()
    assert (padded[35:] == 7).all()
    assert (padded[5:35, :, 0] == GRADIENT).all()
    assert (load_image(path, (30, 50), resize="pad")[:, [4, 5, 44, 45], 0] == [0, 0, 255, 0]).all()
    cropped = load_image(path, (30, 30), resize="crop")
    assert (cropped[..., 0] == GRADIENT[:, 5:35]).all()
    assert (load_image(path, (10, 40), resize="crop")[..., 0] == GRADIENT[10:20]).all()
    for resize in ("pad", "crop"):
        assert (load_image(path, (60, 80), resize=resize) == load_image(path, (60, 80))).all()
    grey = load_image(path, (40, 40), "grayscale", resize="pad", fill_value=255)
    assert (grey[:5] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_slivers_can_be_padded_and_cropped(tmp_path, size):
    for shape in ((1, 500), (500, 1), (500, 500)):
        path = saved(tmp_path / "a.jpg", np.full(shape, 200, np.uint8))
        for resize in ("pad", "crop", "stretch"):
            assert abs(int(load_image(path, size, resize=resize).max()) - 200) <= 1


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("resize", ["pad", "crop"])
def test_proportions_are_those_of_the_upright_picture(tmp_path, orientation, resize):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(GRADIENT).resize((400, 200))
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg"))
    turned.save(tmp_path / "b.png")
    turned_file, upright = (load_image(tmp_path / name, (45, 30), resize=resize) for name in ("a.jpg", "b.png"))
    assert abs(turned_file.astype(int) - upright).max() <= 2


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


@pytest.fixture
def glass():
    """A picture whose opacity differs from pixel to pixel."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 4), np.uint8), "RGBA")


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "lanczos", "box", "hamming"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB", "L", "P", "1", "CMYK", "transparent P"])
def test_with_opacity_pictures_are_those_of_keras(tmp_path, glass, mode, interpolation):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    glass.convert(mode.split()[-1]).save(path, **{"transparency": 3} if " " in mode else {})
    for size in (None, (13, 11)):
        found = load_image(path, size, "rgba", interpolation)
        theirs = keras.utils.load_img(path, color_mode="rgba", target_size=size, interpolation=interpolation)
        assert found.shape == (*(size or (30, 40)), 4)
        assert np.array_equal(found, np.asarray(theirs))
    assert (found[..., 3].min() == 255) == (mode in ("RGB", "L", "1", "CMYK"))


def test_the_frame_of_a_picture_with_opacity_is_opaque(tmp_path, glass):
    glass.putalpha(7)
    glass.save(tmp_path / "a.png")
    pixels = load_image(tmp_path / "a.png", (40, 40), "rgba", "nearest", resize="pad", fill_value=9)
    assert (pixels[:5] == (9, 9, 9, 255)).all()
    assert (pixels[-5:] == (9, 9, 9, 255)).all()
    assert (pixels[5:-5] == np.asarray(glass)).all()


def test_large_jpegs_with_opacity_are_reduced_like_others(landscape):
    found = load_image(landscape, (100, 100), "rgba")
    assert (found[..., :3] == load_image(landscape, (100, 100))).all()
    assert (found[..., 3] == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_ppm_and_its_kin(tmp_path, glass, mode):
    picture = glass.convert(mode)
    for ending in ("ppm", "pgm", "pbm", "pnm"):
        picture.save(tmp_path / f"a.{ending}", "PPM")
        assert np.array_equal(load_image(tmp_path / f"a.{ending}"), np.asarray(picture.convert("RGB")))
    (tmp_path / "deep.pgm").write_bytes(b"P5 2 1 65535 " + np.array([0x8000, 0xFFFF], ">u2").tobytes())
    assert load_image(tmp_path / "deep.pgm", color_mode="rgba").tolist() == [[[128] * 3 + [255], [255] * 4]]


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        for name in ("pipe.jpg", "link.jpg", "socket.png"):
            with pytest.raises(ImageError, match=rf"{name} is a pipe, a socket or a device"):
                load_image(tmp_path / name)


def bomb(path, side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("side", [12_000, 30_000])
@pytest.mark.parametrize("warned", ["error", "ignore"])
def test_a_decompression_bomb_is_refused_and_not_decoded(tmp_path, monkeypatch, side, warned):
    monkeypatch.setattr(Image.Image, "load", None)
    with warnings.catch_warnings():
        warnings.simplefilter(warned)
        with pytest.raises(ImageError, match=r"bomb\.png has too many pixels \(.*MAX_IMAGE_PIXELS if it is right"):
            load_image(bomb(tmp_path / "bomb.png", side), (10, 10))


def test_thirty_thousand_by_thirty_thousand_is_too_much_whatever_pillows_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(ImageError, match=r"bomb\.png has too many pixels \(30000 × 30000\): .*at most 400,000,000\."):
        load_image(bomb(tmp_path / "bomb.png", 30_000), (10, 10))


def test_the_limit_of_pixels_is_pillows(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", GRADIENT)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageError, match="40 × 30, more than 1,199"):
            load_image(path)
    for limit in (1200, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert load_image(path).shape == (30, 40, 3)


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
    with pytest.raises(UnknownNameError, match=r"resize called 'padd'. Did you mean 'pad'"):
        load_image(path, resize="padd")
    for fill_value in (-1, 256, 0.5, (1, 2, 3), "white"):
        with pytest.raises(ArgumentError, match="must be a grey level"):
            load_image(path, fill_value=fill_value)
