"""What happens to a folder before training: checked, what cannot be used left out, divided, and all of it said."""

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from calor.errors import CalorWarning, DataError
from calor.workbench import Settings, Split, check, draw_pictures
from calor.workbench.photos import Photos
from calor.workbench.prepare import prepare, read_list


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("drawn") / "photos", per_class=20)


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


@pytest.fixture
def parted(photos: Path, tmp_path: Path) -> Path:
    """``train/`` and ``validation/``, a quarter of each class in the latter."""
    root = tmp_path / "parted"
    for number, file in enumerate(sorted(photos.rglob("*.*g"))):
        place = root / ("validation" if number % 4 == 0 else "train") / file.parent.name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return root


class Prepared:
    """Prepared photos, and what was said."""

    def __init__(self, folder: Path, run: Path, **settings: object) -> None:
        run.mkdir(exist_ok=True)
        lines: list[str] = []
        values = {"folder": folder, "image_size": (8, 8), **settings}
        self.photos: Photos = prepare(Settings.from_dict(values), run, progress=False, say=lines.append)
        self.split = self.photos.split
        self.said = "\n".join(lines)


def mirrored(file: Path, to: Path) -> None:
    with Image.open(file) as image:
        ImageOps.mirror(image.convert("RGB")).resize((96, 80)).save(to, quality=80)


def test_a_clean_folder(photos: Path, tmp_path: Path) -> None:
    found = Prepared(photos, tmp_path / "run")
    assert "Checked 80 files: nothing serious." in found.said
    assert "4 classes in" in found.said
    assert "Validation: 20% of each class, held out." in found.said
    assert "Test: none, as it would have fewer than 30 photos (--test-share 0.15 seals some)." in found.said
    assert "Left out" not in found.said
    assert Split.load(tmp_path / "run") == found.split
    assert found.photos.training.files == found.split.paths("training")
    assert found.photos.validation.files == found.split.paths("validation")
    assert found.photos.class_weight is None


def test_near_copies_are_kept_on_one_side_also_across_classes(photos: Path, tmp_path: Path) -> None:
    pairs = []
    for number, file in enumerate(sorted((photos / "boat").glob("*.jpg"))[:8]):
        copy = photos / ("boat", "tree")[number % 2] / f"copy-{number}.jpg"
        mirrored(file, copy)
        pairs.append([file.relative_to(photos).as_posix(), copy.relative_to(photos).as_posix()])
    for seed in range(3):
        found = Prepared(photos, tmp_path / f"run{seed}", seed=seed, test_share=0.2)
        for pair in pairs:
            assert (
                sum(set(pair) <= set(found.split.part(name).files) for name in ("training", "validation", "test")) == 1
            )
    assert "near-duplicates-across-classes" in found.said


def test_copies_of_given_pictures_are_told_and_left_out(parted: Path, tmp_path: Path) -> None:
    unseen = sorted((parted / "validation" / "boat").glob("*.jpg"))[:4]
    for file in unseen:
        mirrored(file, parted / "train" / "boat" / f"copy-{file.name}")
    found = Prepared(parted, tmp_path / "run")
    assert len(found.split.left_out) == 4
    assert all("nearly the same as validation/boat/" in reason for reason in found.split.left_out.values())
    assert len(found.split.validation) == 20
    assert "  near-duplicates-across-splits: 4 pictures" in found.said
    assert "Left out, as copies of photos that are held out: train/boat/copy-" in found.said
    assert "and 1 more. What a network has learned from" in found.said
    assert f"Validation: as given in {parted / 'validation'}." in found.said
    assert "Test: none, as the folder gives none" in found.said


def test_unreadable_files_are_named_and_skipped(photos: Path, tmp_path: Path) -> None:
    (photos / "boat" / "001.jpg").write_bytes(b"no picture")
    whole = (photos / "star" / "002.jpg").read_bytes()
    (photos / "star" / "002.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(
        CalorWarning, match=r"2 files cannot be used and are left out\.\n  .*boat/001\.jpg is not a picture"
    ):
        found = Prepared(photos, tmp_path / "run")
    assert set(found.split.left_out) == {"boat/001.jpg", "star/002.jpg"}
    assert "Checked 80 files: 2 serious; 1 of less weight. `calor check" in found.said
    with pytest.warns(CalorWarning, match="2 files that cannot be used were skipped"):
        again = Prepared(photos, tmp_path / "again", check=False)
    assert again.split.training == found.split.training
    assert "was not checked: only files with the same bytes are known as copies" in again.said


def test_many_unreadable_files_are_not_all_named(photos: Path, tmp_path: Path) -> None:
    for file in sorted((photos / "boat").iterdir())[:12]:
        file.write_bytes(b"")
    with pytest.warns(CalorWarning, match=r"(?s)12 files cannot .*is empty \(0 bytes\)\.\n  and 2 more$"):
        found = Prepared(photos, tmp_path / "run")
    assert len(found.split.left_out) == 12


def test_many_serious_findings_are_not_all_told(parted: Path, tmp_path: Path) -> None:
    boats = sorted((parted / "train" / "boat").glob("*.jpg"))
    (parted / "train" / "boat" / "cut.jpg").write_bytes(boats[0].read_bytes()[:-500])
    (parted / "train" / "boat" / "text.jpg").write_text("no picture")
    shutil.copy(boats[1], parted / "validation" / "boat" / "copy.jpg")
    shutil.copy(boats[2], parted / "train" / "tree" / "copy.jpg")
    shutil.copy(boats[3], parted / "train" / "boat" / "copy.jpg")
    with pytest.warns(CalorWarning, match="2 files cannot be used"):
        found = Prepared(parted, tmp_path / "run")
    assert "Checked 85 files: 4 serious; 2 of less weight." in found.said
    assert "\n  and 1 more\n" in found.said


def test_without_the_check_parts_are_looked_at_too(parted: Path, tmp_path: Path) -> None:
    (parted / "validation" / "boat" / "text.jpg").write_text("no picture")
    copied = sorted((parted / "validation" / "star").iterdir())[0]
    shutil.copy(copied, parted / "train" / "star" / "again.jpg")
    with pytest.warns(CalorWarning, match=r"text\.jpg is not a picture"):
        found = Prepared(parted, tmp_path / "run", check=False)
    assert found.split.left_out == {
        "validation/boat/text.jpg": "cannot be read",
        "train/star/again.jpg": f"the same as validation/star/{copied.name}, which is in the validation part",
    }


def test_rare_classes_count_more(photos: Path, tmp_path: Path) -> None:
    for file in sorted((photos / "tree").iterdir())[4:]:
        file.unlink()
    found = Prepared(photos, tmp_path / "run")
    assert found.photos.class_weight is not None
    counts = found.split.training.counts(4)
    assert counts.tolist() == [16, 16, 16, 3]
    assert found.photos.class_weight[3] == pytest.approx(51 / (4 * 3))
    assert "Class weights: a photo of tree counts 4.25, one of boat 0.80, as there are 5.3 times as many" in found.said
    assert Prepared(photos, tmp_path / "plain", class_weight=None).photos.class_weight is None


def test_a_run_that_goes_on_sees_what_it_saw(photos: Path, tmp_path: Path) -> None:
    first = Prepared(photos, tmp_path / "run")
    shutil.copy(photos / "boat" / "001.jpg", photos / "tree" / "new.jpg")
    again = Prepared(photos, tmp_path / "run", seed=8)
    assert again.split == first.split
    assert "Checked" not in again.said
    moved = photos.rename(tmp_path / "elsewhere")
    assert Prepared(moved, tmp_path / "run").photos.training.files == [
        moved / file for file in first.split.training.files
    ]
    (moved / first.split.training.files[0]).unlink()
    with pytest.raises(DataError, match="is not as it was when it was split"):
        Prepared(moved, tmp_path / "run")


def test_an_earlier_split_is_kept_to_and_changes_are_told(photos: Path, tmp_path: Path) -> None:
    first = Prepared(photos, tmp_path / "first", seed=1).split
    same = Prepared(photos, tmp_path / "same", split=tmp_path / "first")
    assert same.split == first
    changed, gone = first.validation.files[:2]
    mirrored(photos / changed, photos / changed)
    (photos / gone).unlink()
    with pytest.warns(CalorWarning) as told:
        kept = Prepared(photos, tmp_path / "second", split=tmp_path / "first" / "split.json").split
    messages = [str(warning.message) for warning in told]
    assert messages == [
        f"Files that have changed since they were divided stay in their part: {changed}.",
        f"Files that were divided are not in {photos} any more: {gone}.",
    ]
    assert kept.validation.files == tuple(file for file in first.validation.files if file != gone)
    assert kept.training == first.training


# ---------------------------------------------------------------- lists


def test_what_check_writes_can_be_left_out(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(photos / "boat" / "001.jpg", photos / "boat" / "copy.jpg")
    monkeypatch.chdir(tmp_path)
    for given in (photos, Path("photos")):  # absolute and relative names in the list
        check(given).write_list("list.txt")
        found = Prepared(photos, tmp_path / f"run-{given.is_absolute()}", leave_out=Path("list.txt"))
        assert list(found.split.left_out) == ["boat/copy.jpg"]
        assert "Left out, as the list says: 1 file." in found.said


def test_a_list_may_name_files_below_the_folder(photos: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("boat/001.jpg\ttoo dark\n\nstar/002.jpg\nstar/gone.jpg\tblurred\n")
    with pytest.warns(CalorWarning, match=r"names files that are not in .*photos: star/gone\.jpg"):
        found = read_list(listing, photos)
    assert found == {
        photos / "boat" / "001.jpg": "too dark",
        photos / "star" / "002.jpg": "on the list of files to leave out",
    }
    link = tmp_path / "link"
    link.symlink_to(photos)
    listing.write_text(f"{link / 'boat' / '001.jpg'}\n")
    assert list(read_list(listing, photos)) == [photos / "boat" / "001.jpg"]


def test_lists_that_cannot_be_used(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.txt of files to leave out cannot be read"):
        read_list(tmp_path / "nowhere.txt", photos)
    (tmp_path / "list.txt").write_text("/else/where.jpg\tdark\n")
    with pytest.raises(DataError, match=r"names no file in .*photos, but /else/where\.jpg: it is of another folder"):
        read_list(tmp_path / "list.txt", photos)
    (tmp_path / "list.txt").write_text("")
    assert read_list(tmp_path / "list.txt", photos) == {}
