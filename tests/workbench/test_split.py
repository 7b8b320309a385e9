"""The split: a partition in which copies stay together, the same tomorrow, and written down so that it is checked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calor.errors import ArgumentError, DataError
from calor.workbench import Split, draw_pictures, split_folder
from calor.workbench.examine import content_hash
from calor.workbench.split import LEFT_OUT, NAMES, TEST, TRAINING, VALIDATION, divide, units

SHARES = {"validation": 0.15, "test": 0.15}


@st.composite
def folders(draw: Any, least: int = 2) -> tuple[list[int], list[str]]:
    """The classes of some pictures, at least so many of each, and what is in them."""
    counts = draw(st.lists(st.integers(least, 60), min_size=2, max_size=4))
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    start = draw(st.integers(0, 10**6))
    return labels, [f"picture {start + place}" for place in range(len(labels))]


@given(folders(), st.integers(0, 5), st.sampled_from([0.15, 0.2, 0.4]), st.sampled_from([0.0, 0.15, 0.4]))
def test_each_class_is_divided_in_the_shares(
    folder: tuple[list[int], list[str]], seed: int, validation: float, test: float
) -> None:
    labels, contents = folder
    parts = divide(labels, contents, seed=seed, validation=validation, test=test)
    for label in set(labels):
        counts = np.bincount(parts[np.array(labels) == label], minlength=3)  # which also says that none is left out
        total = counts.sum()
        assert abs(counts[VALIDATION] - validation * total) < 1
        assert abs(counts[TEST] - test * total) < 1
        assert counts[TRAINING] >= 1
        assert counts[VALIDATION] >= 1


@given(folders(least=8), st.integers(0, 5), st.data())
def test_copies_are_never_divided(folder: tuple[list[int], list[str]], seed: int, data: st.DataObject) -> None:
    labels, contents = folder
    places = st.integers(0, len(labels) - 1)
    groups = data.draw(st.lists(st.lists(places, min_size=2, max_size=3), max_size=4))
    parts = divide(labels, contents, groups=groups, seed=seed, **SHARES)
    assert LEFT_OUT not in parts
    for group in groups:
        assert len(set(parts[group])) == 1
    largest = max(map(len, units(contents, groups)))
    for label in set(labels):
        counts = np.bincount(parts[np.array(labels) == label], minlength=3)
        assert min(counts[TRAINING], counts[VALIDATION]) >= 1
        assert abs(counts[VALIDATION] - 0.15 * counts.sum()) < largest


@given(folders(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order(folder: tuple[list[int], list[str]], seed: int, random: Any) -> None:
    labels, contents = folder
    order = list(range(len(labels)))
    random.shuffle(order)
    parts = divide(labels, contents, seed=seed, **SHARES)
    again = divide([labels[i] for i in order], [contents[i] for i in order], seed=seed, **SHARES)
    np.testing.assert_array_equal(again, parts[order])


@given(folders(), st.integers(0, 5), st.integers(1, 5))
def test_a_picture_that_is_added_moves_one_other_over_each_border(
    folder: tuple[list[int], list[str]], seed: int, added: int
) -> None:
    labels, contents = folder
    more = [f"new {place}" for place in range(added)]
    before = divide(labels, contents, seed=seed, **SHARES)
    after = divide([*labels, *[0] * added], [*contents, *more], seed=seed, **SHARES)
    moved = before != after[: len(labels)]
    for part in (VALIDATION, TEST):
        assert np.count_nonzero(moved & ((before == part) | (after[: len(labels)] == part))) <= added
    # Nothing that chose the best epoch becomes a test picture, or the other way round.
    assert not np.any(moved & (before != TRAINING) & (after[: len(labels)] != TRAINING))


@given(folders(), st.integers(0, 5), st.integers(1, 30))
def test_what_is_settled_stays(folder: tuple[list[int], list[str]], seed: int, added: int) -> None:
    labels, contents = folder
    before = divide(labels, contents, seed=seed, **SHARES)
    more = [f"new {place}" for place in range(added)]
    settled = [*before, *[-1] * added]
    after = divide([*labels, *[0] * added], [*contents, *more], seed=seed, settled=settled, **SHARES)
    np.testing.assert_array_equal(after[: len(labels)], before)
    total = labels.count(0) + added
    assert abs(np.count_nonzero(after[np.array([*labels, *[0] * added]) == 0] == VALIDATION) - 0.15 * total) <= 1


def test_other_seeds_give_other_splits() -> None:
    labels, contents = [0] * 50 + [1] * 50, [str(place) for place in range(100)]
    first, second = (divide(labels, contents, seed=seed, **SHARES) for seed in (0, 1))
    assert np.any(first != second)
    np.testing.assert_array_equal(first, divide(labels, contents, seed=0, **SHARES))


def test_a_held_out_picture_does_not_depend_on_its_place_in_the_class() -> None:
    """A camera numbers its pictures: each tenth of the numbers has its share in each part."""
    parts = divide([0] * 4000, [f"DSC_{place:04}" for place in range(4000)], **SHARES)
    for tenth in np.split(parts, 10):
        assert 30 <= np.count_nonzero(tenth == VALIDATION) <= 90
        assert 30 <= np.count_nonzero(tenth == TEST) <= 90


def test_copies_go_with_what_is_settled_and_are_left_out_beside_what_is_given() -> None:
    labels, contents = [0, 0, 0, 0, 1, 1], ["a", "a", "b", "c", "d", "e"]
    settled = [VALIDATION, -1, -1, TRAINING, -1, TRAINING]
    assert divide(labels, contents, settled=settled)[1] == VALIDATION
    assert divide(labels, contents, settled=settled, given=[VALIDATION])[1] == LEFT_OUT
    # Between two that are settled, the one that is less held out goes: whatever their classes.
    crossing = divide(
        labels, contents, settled=[VALIDATION, TRAINING, TEST, TEST, VALIDATION, TRAINING], groups=[[3, 4]]
    )
    assert crossing.tolist() == [VALIDATION, LEFT_OUT, TEST, TEST, LEFT_OUT, TRAINING]


def test_groups_larger_than_a_share_are_held_out_where_nothing_else_is_there() -> None:
    groups = [range(6), range(6, 10), range(10, 20)]
    parts = divide([0] * 20 + [1] * 20, [str(place) for place in range(40)], groups=groups, validation=0.15)
    assert [set(parts[list(group)].tolist()) for group in groups] == [{TRAINING}, {VALIDATION}, {TRAINING}]


def test_a_class_of_one_picture_copied_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="All pictures of the class dogs are copies of one another"):
        divide([0] * 4 + [1] * 3, list("abcdeee"), validation=0.2, class_names=["cats", "dogs"])
    with pytest.raises(DataError, match="the class 1 are"):
        divide([0] * 4 + [1] * 3, list("abcdeee"), validation=0.2)


# ---------------------------------------------------------------- folders


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("drawn") / "photos", per_class=12)


@pytest.fixture
def flat(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


@pytest.fixture
def parted(drawn: Path, tmp_path: Path) -> Path:
    """``train/`` with 6 pictures of each class, ``validation/`` and ``test/`` with 3."""
    root = tmp_path / "parted"
    for number, file in enumerate(sorted(drawn.rglob("*.*g"))):
        part = ("train", "train", "validation", "test")[number % 4]
        (root / part / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / part / file.parent.name)
    return root


def sizes(split: Split) -> list[int]:
    return [len(split.part(name)) for name in NAMES]


def everything(split: Split) -> list[str]:
    return sorted([*(file for name in NAMES for file in split.part(name).files), *split.left_out])


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_divided_whole(flat: Path) -> None:
    split = split_folder(flat, test_share=0.15)
    assert everything(split) == listed(flat)
    assert sizes(split) == [32, 8, 8]
    assert split.class_names == ("boat", "house", "star", "tree")
    assert split.validation.counts(4).tolist() == [2] * 4
    assert split.shares == (0.15, 0.15)
    assert split.given == ()
    for name in NAMES:
        part = split.part(name)
        assert [split.class_names[label] for label in part.labels] == [file.split("/")[0] for file in part.files]
        assert [content_hash(path) for path in split.paths(name)] == list(part.hashes)
    assert split_folder(flat, test_share=0.15) == split
    assert split_folder(flat, test_share=0.15, seed=1) != split


def test_a_small_folder_has_no_sealed_part(flat: Path) -> None:
    """Of 48 pictures, 7 would be sealed: nothing can be told from these."""
    split = split_folder(flat)
    assert sizes(split) == [40, 8, 0]
    assert split.shares == (0.2, 0.0)


def test_parts_that_are_given_stay(parted: Path) -> None:
    split = split_folder(parted)
    assert sizes(split) == [24, 12, 12]
    assert split.given == ("validation", "test")
    for name, folder in zip(NAMES, ("train", "validation", "test"), strict=True):
        assert {file.split("/")[0] for file in split.part(name).files} == {folder}
    with pytest.raises(ArgumentError, match=r"test is the test part"):
        split_folder(parted, test_share=0.1)


def test_without_a_test_folder_nothing_is_sealed_unless_asked_for(parted: Path) -> None:
    shutil.rmtree(parted / "test")
    assert sizes(split_folder(parted)) == [24, 12, 0]
    split = split_folder(parted, test_share=0.3)
    assert sizes(split) == [16, 12, 8]
    assert split.given == ("validation",)
    assert {file.split("/")[0] for file in split.test.files} == {"train"}
    with pytest.raises(ArgumentError, match=r"between 0 and 0\.5, not 0\.7"):
        split_folder(parted, test_share=0.7)


def test_without_a_validation_folder_some_are_held_out(parted: Path) -> None:
    shutil.rmtree(parted / "validation")
    split = split_folder(parted)
    assert sizes(split) == [20, 4, 12]
    assert split.shares == (0.15, 0.0)
    assert split.given == ("test",)


def test_a_test_folder_without_classes_is_not_used(parted: Path) -> None:
    shutil.rmtree(parted / "test" / "boat")
    assert sizes(split_folder(parted)) == [24, 12, 0]


def test_copies_of_given_pictures_are_left_out_of_training(parted: Path) -> None:
    (unseen,) = sorted((parted / "validation" / "boat").iterdir())[:1]
    shutil.copy(unseen, parted / "train" / "house" / "copy.jpg")
    near = sorted((parted / "train" / "star").iterdir())[0]
    sealed = sorted((parted / "test" / "star").iterdir())[0]
    split = split_folder(parted, copies=[(near, sealed)])
    assert sizes(split) == [23, 12, 12]
    assert split.left_out == {
        "train/house/copy.jpg": f"the same as validation/boat/{unseen.name}, which is in the validation part",
        f"train/star/{near.name}": f"nearly the same as test/star/{sealed.name}, which is in the test part",
    }


def test_nothing_may_be_left_that_is_a_copy_throughout(parted: Path) -> None:
    shutil.copytree(parted / "validation", parted / "test", dirs_exist_ok=True)
    with pytest.raises(DataError, match=r"All pictures in .*validation are copies of pictures in .*test"):
        split_folder(parted)
    shutil.rmtree(parted / "train" / "boat")
    shutil.copytree(parted / "validation" / "boat", parted / "train" / "boat")
    with pytest.raises(DataError, match=r"All pictures of boat in .*train are copies of pictures that are held out"):
        split_folder(parted)


def test_files_without_a_hash_are_left_out(flat: Path) -> None:
    hashes = {path: content_hash(path) for path in flat.rglob("*.*g")}
    del hashes[flat / "boat" / "001.jpg"]
    split = split_folder(flat, hashes=hashes)
    assert split.left_out == {"boat/001.jpg": "cannot be read"}


def test_files_can_be_left_out(flat: Path) -> None:
    file = flat / "boat" / "001.jpg"
    split = split_folder(flat, left_out={file: "is not sharp"})
    assert split.left_out == {"boat/001.jpg": "is not sharp"}
    assert everything(split) == listed(flat)
    only = dict.fromkeys(sorted((flat / "tree").iterdir())[1:], "")
    with pytest.raises(DataError, match="one usable picture only: 'tree'"):
        split_folder(flat, left_out=only)


def test_a_given_training_part_needs_a_picture_of_each_class(parted: Path) -> None:
    with pytest.raises(DataError, match="no usable picture: 'tree'"):
        split_folder(parted, left_out=dict.fromkeys((parted / "train" / "tree").iterdir(), ""))


def test_an_earlier_split_is_kept_to(flat: Path) -> None:
    earlier = split_folder(flat, test_share=0.15, seed=3, left_out={flat / "boat" / "001.jpg": "why not"})
    moved = flat / earlier.test.files[0]
    moved.rename(moved.with_name("renamed.jpg"))
    for number in range(20):
        (flat / "star" / f"new{number}.jpg").write_bytes(f"new {number}".encode())
    split = split_folder(flat, earlier=earlier, seed=9)
    assert (split.seed, split.shares) == (3, (0.15, 0.15))
    assert split.left_out == {"boat/001.jpg": "why not"}
    for name in NAMES:
        assert set(earlier.part(name).hashes) <= set(split.part(name).hashes)
    assert split.validation.counts(4).tolist() == [2, 2, 5, 2]
    assert split.test.counts(4).tolist() == [2, 2, 5, 2]
    assert everything(split) == listed(flat)


def test_an_earlier_split_of_another_folder_is_refused(flat: Path, parted: Path) -> None:
    earlier = split_folder(flat)
    shutil.rmtree(flat / "boat")
    with pytest.raises(DataError, match="classes house, star, tree, and the split that is to be kept to boat"):
        split_folder(flat, earlier=earlier)


# ---------------------------------------------------------------- data sets


def test_parts_are_data_sets(flat: Path) -> None:
    split = split_folder(flat)
    training, validation = split.datasets("training", "validation", image_size=(8, 10))
    assert training.files == split.paths("training")
    assert validation.files == split.paths("validation")
    np.testing.assert_array_equal(validation.labels, split.validation.labels)
    (image, label), *_ = validation
    assert (image.shape, image.dtype, int(label)) == ((8, 10, 3), np.uint8, 0)
    assert split.dataset("training", (8, 10)).files == training.files
    assert training.class_names == split.class_names


def test_the_test_part_is_sealed(flat: Path) -> None:
    split = split_folder(flat, test_share=0.2)
    with pytest.raises(ArgumentError, match="The test part is sealed"):
        split.dataset("test", (8, 8))
    assert split.dataset("test", (8, 8), unsealed=True).files == split.paths("test")


def test_parts_that_are_not_there(flat: Path) -> None:
    split = split_folder(flat)
    with pytest.raises(DataError, match=r"The test part of the split of .* is empty"):
        split.dataset("test", (8, 8), unsealed=True)
    with pytest.raises(ArgumentError, match="no part 'train': its parts are training, validation, test"):
        split.dataset("train", (8, 8))


def test_files_that_changed_or_vanished_are_named(flat: Path) -> None:
    split = split_folder(flat)
    split.check_unchanged()
    changed, gone = split.training.files[:2]
    (flat / changed).write_bytes(b"no picture")
    (flat / gone).unlink()
    split.check_unchanged("validation")
    with pytest.raises(
        DataError, match=rf"(?s)is not as it was.*{changed} has changed\n  {gone} is not there any more"
    ):
        split.check_unchanged()
    with pytest.raises(DataError, match=rf"{changed} cannot be read any more\n  {gone} is not there any more"):
        split.dataset("training", (8, 8))
    for file in split.validation.files[:2] + split.training.files[2:13]:
        (flat / file).unlink()
    with pytest.raises(DataError, match=r"and 5 more$"):
        split.check_unchanged()


# ---------------------------------------------------------------- files


def test_a_split_is_read_as_it_was_written(parted: Path, tmp_path: Path) -> None:
    strange = parted / "train" / "boat" / "grün\udcff.jpg"
    strange.write_bytes((parted / "train" / "boat" / "001.jpg").read_bytes() + b"more")
    shutil.copy(parted / "validation" / "tree" / "002.jpg", parted / "train" / "tree" / "copy.jpg")
    split = split_folder(parted, seed=7)
    split.save(tmp_path / "split.json")
    for path in (tmp_path / "split.json", tmp_path):
        loaded = Split.load(path)
        assert loaded == split
        for name in NAMES:
            np.testing.assert_array_equal(loaded.part(name).labels, split.part(name).labels)
    assert "train/boat/grün\udcff.jpg" in loaded.training.files
    assert len(loaded.left_out) == 1
    parted.rename(tmp_path / "moved")
    assert Split.load(tmp_path, folder=tmp_path / "moved").changed() == {}
    assert len(loaded.changed("test")) == 12


def test_a_split_that_cannot_be_written_leaves_the_old_one(flat: Path, tmp_path: Path) -> None:
    split = split_folder(flat)
    with pytest.raises(OSError, match=r"nowhere.split\.json"):
        split.save(tmp_path / "nowhere" / "split.json")


def broken(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], str]:
    def text(record: dict[str, Any]) -> str:
        change(record)
        return json.dumps(record)

    return text


BROKEN: list[tuple[Callable[[dict[str, Any]], str], str]] = [
    (lambda _: "{", "it is no JSON"),
    (lambda _: "[]", "does not say that it is one"),
    (broken(lambda record: record.pop("format")), "does not say that it is one"),
    (broken(lambda record: record.update(version="1")), "its version is '1'"),
    (broken(lambda record: record.update(version=2)), r"newer Calor \(version 2 of the format\): update Calor"),
    (broken(lambda record: record.update(class_names=["boat"])), "class_names must be"),
    (broken(lambda record: record.update(class_names="boat")), "class_names must be"),
    (broken(lambda record: record.update(folder=None)), "it names no folder"),
    (broken(lambda record: record.update(seed="x")), "seed is 'x'"),
    (broken(lambda record: record.update(shares=[0.1, 1.5])), "shares is"),
    (broken(lambda record: record.update(given=["train"])), "given is"),
    (broken(lambda record: record.update(left_out={"a": 1})), "left_out must name files"),
    (broken(lambda record: record.pop("test")), "test must have the classes"),
    (broken(lambda record: record["training"].update(boat=["001.jpg"])), "training has no files of boat"),
    (
        broken(lambda record: record["training"]["boat"].update({"../boat/1.jpg": "0" * 32})),
        "no file of the class boat",
    ),
    (broken(lambda record: record["training"]["boat"].update({"/boat/1.jpg": "0" * 32})), "no file of the class boat"),
    (broken(lambda record: record["training"]["boat"].update({"star/1.jpg": "0" * 32})), "no file of the class boat"),
    (broken(lambda record: record["training"]["boat"].update({"boat/new.jpg": "xyz"})), "the hash of boat/new.jpg is"),
    (broken(lambda record: record["test"]["boat"].update(record["training"]["boat"])), "is in it twice"),
    (broken(lambda record: record["training"]["boat"].update({"a/boat/1.jpg": "0" * 32})), "more than one folder"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_broken_split_is_told(
    change: Callable[[dict[str, Any]], str], message: str, flat: Path, tmp_path: Path
) -> None:
    path = tmp_path / "split.json"
    split_folder(flat).save(path)
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(DataError, match=message) as caught:
        Split.load(path)
    assert str(path) in str(caught.value)


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no split .*split\.json: give a run folder"):
        Split.load(tmp_path)
    (tmp_path / "split.json").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        Split.load(tmp_path)
