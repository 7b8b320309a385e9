"""The check-up of a folder: each planted fault is named rightly, and a clean folder has none."""

import hashlib
import io
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from calor.data.images import EXTENSIONS
from calor.errors import DataError
from calor.workbench import check, draw_pictures
from calor.workbench.checkup import CheckUp
from calor.workbench.examine import ENDINGS, Damaged, Picture, content_hash, examine

PER_CLASS = 30
KINDS = ("boat", "house", "star", "tree")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train/`` and ``validation/`` with clean pictures."""
    everything = draw_pictures(tmp_path_factory.mktemp("drawn") / "all", per_class=PER_CLASS + 20)
    for kind in KINDS:
        for part, files in (("train", slice(None, PER_CLASS)), ("validation", slice(PER_CLASS, None))):
            place = everything.parent / "photos" / part / kind
            place.mkdir(parents=True)
            for file in sorted((everything / kind).iterdir())[files]:
                shutil.copy(file, place)
    return everything.parent / "photos"


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """A copy to plant faults in."""
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


def codes(found: CheckUp) -> list[str]:
    return [finding.code for finding in found.findings]


def groups(found: CheckUp, code: str) -> list[set[str]]:
    """The files of a finding, below the folder."""
    (finding,) = (finding for finding in found.findings if finding.code == code)
    return [{file.relative_to(found.folder).as_posix() for file in group} for group in finding.groups]


def jpegs(photos: Path, kind: str, part: str = "train") -> list[Path]:
    return sorted((photos / part / kind).glob("*.jpg"))


def change(file: Path, how: Callable[[Image.Image], Image.Image], to: Path | None = None, quality: int = 90) -> None:
    with Image.open(file) as picture:
        changed = how(picture.convert("RGB"))
    changed.save(to or file, quality=quality)


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)


def cropped(picture: Image.Image) -> Image.Image:
    return picture.crop((round(0.05 * picture.width), 0, picture.width, picture.height))


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "resized": (half, 90),
    "recompressed": (lambda picture: picture, 40),
    "mirrored": (ImageOps.mirror, 90),
    "cropped": (cropped, 90),
    "all at once": (lambda picture: ImageOps.mirror(cropped(half(picture))), 60),
}


def test_nothing_is_found_in_a_clean_folder(drawn: Path) -> None:
    found = check(drawn)
    assert found.findings == ()
    assert not found.serious
    assert found.leave_out == {}
    assert found.class_names == KINDS
    assert found.counts == {"train": (PER_CLASS,) * 4, "validation": (20,) * 4}
    assert found.modes == {"RGB": 200}
    assert found.formats == {"JPEG": 180, "PNG": 20}
    assert sum(found.sizes.values()) == found.files == 200


def test_copies_across_splits(photos: Path) -> None:
    planted = [file for kind in KINDS for file in jpegs(photos, kind)[:5]]
    for file in planted:
        shutil.copy(file, photos / "validation" / file.parent.name / f"copy-{file.name}")
    found = check(photos)
    assert codes(found) == ["duplicates-across-splits"]
    assert found.serious
    assert groups(found, "duplicates-across-splits") == [
        {f"train/{file.parent.name}/{file.name}", f"validation/{file.parent.name}/copy-{file.name}"} for file in planted
    ]
    assert set(found.leave_out) == set(planted)


@pytest.mark.parametrize("kind", COPIES)
def test_near_copies_across_splits(kind: str, photos: Path) -> None:
    how, quality = COPIES[kind]
    planted = [file for name in KINDS for file in jpegs(photos, name)[:5]]
    for file in planted:
        change(file, how, photos / "validation" / file.parent.name / f"copy-{file.name}", quality)
    found = check(photos)
    assert codes(found) == ["near-duplicates-across-splits"]
    wanted = [
        {f"train/{file.parent.name}/{file.name}", f"validation/{file.parent.name}/copy-{file.name}"} for file in planted
    ]
    caught = groups(found, "near-duplicates-across-splits")
    assert all(group in wanted for group in caught)
    assert len(caught) >= (18 if kind == "all at once" else 20)


def test_copies_across_classes_are_all_to_be_left_out(photos: Path) -> None:
    first, second = jpegs(photos, "boat")[:2]
    shutil.copy(first, photos / "train" / "tree" / "same.jpg")
    change(second, ImageOps.mirror, photos / "train" / "tree" / "mirrored.jpg")
    found = check(photos)
    assert codes(found) == ["duplicates-across-classes", "near-duplicates-across-classes"]
    assert set(found.leave_out) == {
        first,
        second,
        photos / "train" / "tree" / "same.jpg",
        photos / "train" / "tree" / "mirrored.jpg",
    }
    assert found.leave_out[first] == (
        f"the same as {photos / 'train' / 'tree' / 'same.jpg'}, which is of another class"
    )


def test_copies_within_a_class_leave_the_largest(photos: Path, drawn: Path) -> None:
    file = jpegs(photos, "star")[0]
    shutil.copy(file, file.with_name("x-copy.jpg"))
    small, lossless = file.with_name("a-small.jpg"), file.with_name("lossless.png")
    change(file, half, small)
    change(file, lambda picture: picture, lossless)
    found = check(photos)
    assert codes(found) == ["duplicates", "near-duplicates"]
    assert not found.serious
    everything = {f"train/star/{name}" for name in (file.name, "x-copy.jpg", "lossless.png")}
    assert groups(found, "duplicates") == [everything]
    assert groups(found, "near-duplicates") == [{*everything, "train/star/a-small.jpg"}]
    assert set(found.leave_out) == {small, lossless, file.with_name("x-copy.jpg")}

    flat = check(photos / "train")
    assert list(flat.counts) == ["all"]
    assert "keeps them in one part" in flat.findings[0].why


def test_pictures_of_one_camera_that_all_look_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    scene = random.integers(0, 256, (12, 16, 3)).astype(np.uint8)
    base = np.asarray(Image.fromarray(scene).resize((160, 120), Image.Resampling.BICUBIC), np.float64)
    for kind in ("bad", "good"):
        (tmp_path / kind).mkdir()
        for number in range(25):
            pixels = base + random.normal(0, 6, base.shape)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / kind / f"{number}.png")
    found = check(tmp_path)
    assert codes(found) == ["pictures-look-alike"]
    assert not found.serious


def test_one_size_in_one_class(photos: Path) -> None:
    for file in (photos / "train" / "house").iterdir():
        change(file, lambda picture: picture.resize((120, 120)))
    found = check(photos)
    assert codes(found) == ["size-tells-class"]
    assert found.findings[0].grade == "serious"
    assert "100% of house and 0% of boat have the size 120 × 120 pixels." in found.findings[0].what
    assert found.findings[0].files == PER_CLASS


def test_one_class_without_the_size_of_all_others(photos: Path) -> None:
    for file in photos.glob("*/*/*.*"):
        if file.parent.name != "house":
            change(file, lambda picture: picture.resize((120, 120)))
    assert codes(check(photos)) == ["size-tells-class"]


@pytest.mark.parametrize("sides", ["all", "top and bottom"])
def test_a_coloured_border_on_one_class(sides: str, photos: Path) -> None:
    def framed(picture: Image.Image) -> Image.Image:
        return ImageOps.expand(picture, (6, 6) if sides == "all" else (0, 6), fill=(200, 30, 30))

    for file in photos.glob("*/tree/*.*"):
        change(file, framed)
    found = check(photos)
    assert codes(found) == ["border-tells-class"]
    assert "100% of tree and 0% of boat have an edge that is red (#c" in found.findings[0].what
    assert found.findings[0].files == PER_CLASS


def test_borders_of_another_colour_in_each_class(photos: Path) -> None:
    for kind, colour in zip(KINDS, ("black", "black", "white", "white"), strict=True):
        for file in photos.glob(f"*/{kind}/*.*"):
            change(file, lambda picture, colour=colour: ImageOps.expand(picture, 5, fill=colour))
    found = check(photos)
    assert codes(found) == ["border-tells-class"]
    assert "1 other value" in found.findings[0].what


def test_grey_pictures_in_one_class_and_another_format(photos: Path) -> None:
    for file in list(photos.glob("*/boat/*.*")):
        with Image.open(file) as picture:
            picture.convert("L").save(file.with_suffix(".bmp"))
        file.unlink()
    found = check(photos)
    assert codes(found) == ["mode-tells-class", "format-tells-class", "mixed-modes"]
    assert "100% of boat and 0% of house are of the mode L." in found.findings[0].what


def test_camera_and_names_that_follow_the_class(photos: Path) -> None:
    for file in list(photos.glob("*/*/*.*")):
        exif = Image.Exif()
        exif[0x010F], exif[0x0131] = ("Nikon", "Firmware 1") if file.parent.name == "star" else ("", "")
        prefix = "DSC_" if file.parent.name == "star" else "IMG_"
        with Image.open(file) as picture:
            picture.save(file.with_name(f"{prefix}{file.stem}.jpg"), quality=90, exif=exif)
        file.unlink()
    found = check(photos)
    assert codes(found) == ["origin-tells-class", "name-tells-class"]
    assert "100% of star and 0% of boat come from Nikon, Firmware 1." in found.findings[0].what
    assert not found.serious


def test_names_that_hold_the_class_say_nothing_new(photos: Path) -> None:
    for file in list(photos.glob("*/*/*.*")):
        file.rename(file.with_name(f"{file.parent.name}.{file.name}"))
    assert codes(check(photos)) == []


def test_a_validation_part_of_another_source(photos: Path) -> None:
    for file in photos.glob("validation/*/*.*"):
        change(file, lambda picture: picture.resize((64, 64)))
    found = check(photos)
    assert codes(found) == ["size-differs-by-split"]
    assert "100% of validation and 0% of train have the size 64 × 64 pixels." in found.findings[0].what


@pytest.mark.parametrize(("left", "grade"), [(5, "look at"), (2, "serious")])
def test_imbalance(left: int, grade: str, photos: Path) -> None:
    for file in sorted((photos / "train" / "boat").iterdir())[left:]:
        file.unlink()
    found = check(photos)
    assert {finding.code: finding.grade for finding in found.findings} == {
        "imbalance": grade,
        "few-pictures": "look at",
    }
    assert f"{PER_CLASS // left} times as many pictures of house (30) as of boat ({left})" in found.findings[0].what


def test_one_to_twenty(tmp_path: Path) -> None:
    draw_pictures(tmp_path, per_class=40)
    for kind in ("house", "tree"):
        shutil.rmtree(tmp_path / kind)
    for file in sorted((tmp_path / "star").iterdir())[2:]:
        file.unlink()
    found = check(tmp_path)
    assert found.findings[0].code == "imbalance"
    assert "always says boat would be right in 95% of the cases" in found.findings[0].why


def test_files_that_are_no_whole_pictures(photos: Path) -> None:
    boats, houses = jpegs(photos, "boat"), jpegs(photos, "house")
    boats[0].write_bytes(boats[0].read_bytes()[:-200])
    boats[1].write_bytes(boats[1].read_bytes()[:900])
    png = photos / "train" / "boat" / "000.png"
    png.write_bytes(png.read_bytes()[:-500])
    houses[0].write_text("no picture")
    houses[1].write_bytes(b"")
    found = check(photos)
    assert codes(found) == ["unreadable", "truncated"]
    assert groups(found, "truncated") == [{f"train/boat/{name}"} for name in ("000.png", boats[0].name, boats[1].name)]
    assert groups(found, "unreadable") == [{f"train/house/{houses[0].name}"}, {f"train/house/{houses[1].name}"}]
    assert found.leave_out[houses[1]] == "is empty (0 bytes)"
    assert found.files == 200
    assert sum(found.sizes.values()) == 195


def test_large_photos_that_are_cut_off_are_found_at_a_reduced_scale(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (75, 100, 3)).astype(np.uint8)
    for progressive in (False, True):
        buffer = io.BytesIO()
        large = Image.fromarray(noise).resize((4000, 3000))
        large.save(buffer, "JPEG", quality=80, progressive=progressive)
        file = tmp_path / "large.jpg"
        file.write_bytes(buffer.getvalue())
        whole = examine(file)
        assert isinstance(whole, Picture)
        assert whole.size == (4000, 3000)
        for share in (0.3, 0.7, 0.98):
            file.write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
            cut = examine(file)
            assert isinstance(cut, Damaged)
            assert cut.cut_off


def test_small_things(photos: Path) -> None:
    boats = jpegs(photos, "boat")
    change(boats[0], lambda picture: picture, boats[0].with_name("other.png"))
    boats[0].with_name("other.png").rename(boats[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(boats[1]) as picture:
        upright = np.asarray(picture)
        picture.rotate(90, expand=True).save(boats[1], quality=95, exif=exif)
    (photos / "train" / "boat" / "notes.txt").touch()
    (photos / "train" / "boat" / "more").mkdir()
    (photos / "unsorted").mkdir()
    found = check(photos)
    assert codes(found) == [
        "wrong-extension",
        "folders-in-classes",
        "part-not-checked",
        "ignored-files",
        "exif-rotated",
    ]
    assert not found.serious
    assert groups(found, "wrong-extension") == [{f"train/boat/{boats[0].name}"}]
    assert groups(found, "exif-rotated") == [{f"train/boat/{boats[1].name}"}]
    seen = examine(boats[1])
    assert isinstance(seen, Picture)
    assert seen.size == (upright.shape[1], upright.shape[0])
    assert seen.orientation == 6


def test_each_format_that_is_read_has_its_endings(tmp_path: Path) -> None:
    assert {ending for endings in ENDINGS.values() for ending in endings} == EXTENSIONS
    for form, (ending, *_) in ENDINGS.items():
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"picture{ending}", form)
        found = examine(tmp_path / f"picture{ending}")
        assert isinstance(found, Picture)
        assert (found.format, found.wrong_ending) == (form, False)
        assert found.contents == content_hash(found.file)
        assert found.contents == hashlib.blake2b(found.file.read_bytes(), digest_size=16).hexdigest()


def test_the_test_part_is_looked_at_too(photos: Path) -> None:
    shutil.copytree(photos / "validation", photos / "test")
    file = jpegs(photos, "star")[3]
    shutil.copy(file, photos / "test" / "star")
    found = check(photos)
    assert list(found.counts) == ["train", "validation", "test"]
    assert len(groups(found, "duplicates-across-splits")) == 81
    assert file in found.leave_out
    assert not any("test" in left.parts for left in found.leave_out)


def test_it_knows_contents_and_copies(photos: Path) -> None:
    """What the split is made of."""
    first, second, third, other = jpegs(photos, "star")[:4]
    shutil.copy(first, first.with_name("copy.jpg"))
    change(second, half, second.with_name("half.jpg"))
    third.write_bytes(b"no picture")
    found = check(photos)
    assert set(map(frozenset, found.copies)) == {
        frozenset([first, first.with_name("copy.jpg")]),
        frozenset([second, second.with_name("half.jpg")]),
    }
    assert found.hashes[first] == found.hashes[first.with_name("copy.jpg")] != found.hashes[other]
    assert third not in found.hashes
    assert len(found.hashes) == found.files - 1


def test_training_and_test_without_validation(photos: Path) -> None:
    (photos / "validation").rename(photos / "test")
    found = check(photos)
    assert list(found.counts) == ["train", "test"]
    assert codes(found) == []


def test_it_can_be_interrupted(photos: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(photos, progress=interrupt)
    assert codes(check(photos)) == []


def test_a_folder_without_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        check(tmp_path)


def test_flat_pictures_and_broken_exif(tmp_path: Path) -> None:
    """What cannot be compared is compared with nothing, and a camera's broken notes do no harm."""
    for kind, level in (("dark", 10), ("light", 240)):
        (tmp_path / kind).mkdir()
        for number in range(20):
            image = Image.new("RGB", (30 + number, 40), (level, level + number % 10, level))
            image.save(tmp_path / kind / f"{number}.jpg", exif=b"Exif\0\0II*\0" + struct.pack("<I", 9999))
    found = check(tmp_path)
    assert not any("duplicates" in code for code in codes(found))


def test_progress_and_the_record(photos: Path, tmp_path: Path) -> None:
    file = jpegs(photos, "star")[0]
    shutil.copy(file, file.with_name("copy.jpg"))
    told: list[tuple[int, int]] = []
    found = check(photos, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 201) for done in range(1, 202)]
    record = found.as_dict()
    assert record["serious"] is False
    assert record["classes"]["train"]["star"] == PER_CLASS + 1
    assert record["findings"][0]["groups"] == [[str(file), str(file.with_name("copy.jpg"))]]
    found.write_list(tmp_path / "list.txt")
    assert (tmp_path / "list.txt").read_text() == f"{file.with_name('copy.jpg')}\tthe same as {file}\n"
    assert len(list(photos.rglob("*.*"))) == 201  # nothing was moved


def test_real_photos_have_one_near_copy_and_planted_ones_are_found(real_data: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(real_data / "cats_and_dogs_filtered.zip", tmp_path)
    photos = tmp_path / "cats_and_dogs_filtered"
    found = check(photos)
    # The same four puppies, saved twice.
    assert codes(found) == ["near-duplicates"]
    assert groups(found, "near-duplicates") == [{"train/dogs/dog.179.jpg", "train/dogs/dog.73.jpg"}]

    random = np.random.default_rng(0)
    files = sorted((photos / "train").glob("*/*.jpg"))
    chosen = [files[place] for place in random.permutation(len(files))[: 40 * len(COPIES)]]
    for number, file in enumerate(chosen):
        how, quality = list(COPIES.values())[number % len(COPIES)]
        quality = 40 if quality == 60 else quality
        change(file, how, photos / "validation" / file.parent.name / f"copy-{file.name}", quality)
    caught = groups(check(photos), "near-duplicates-across-splits")
    assert len(caught) == len(chosen)
