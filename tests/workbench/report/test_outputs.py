"""One reading of the photos: what the network says, of all that can be read, in their order."""

from pathlib import Path

import numpy as np
import pytest

from calor.data import load_image
from calor.errors import ArgumentError, DataError, ImageError
from calor.workbench import draw_pictures, photo_network
from calor.workbench.classify import Classifier
from calor.workbench.report.evidence import photos as reading
from calor.workbench.report.evidence.outputs import observe
from calor.workbench.report.evidence.photos import Photos, read


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return tuple(sorted(draw_pictures(tmp_path_factory.mktemp("pictures"), per_class=3).rglob("*.*g")))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(photo_network((16, 16), 4, seed=0), ("boat", "house", "star", "tree"), (16, 16), "rgb")


LABELS = np.repeat(np.arange(4), 3)


def test_the_same_as_predict_on_each_photo(
    files: tuple[Path, ...], classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 5)  # batches of 5, 5 and 2
    seen: list[tuple[int, int]] = []
    found = observe(
        classifier,
        Photos(files, LABELS),
        {"darkness": np.zeros_like},
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(5, 12), (10, 12), (12, 12)]
    images = np.stack([load_image(file, size=(16, 16)) for file in files])
    np.testing.assert_allclose(found.probabilities, classifier.probabilities(images), atol=1e-6)
    np.testing.assert_array_equal(found.predicted, found.probabilities.argmax(axis=1))
    np.testing.assert_array_equal(found.right, found.predicted == LABELS)
    dark = int(classifier.probabilities(np.zeros((1, 16, 16, 3), np.uint8))[0].argmax())
    assert found.changed["darkness"].tolist() == [dark] * 12
    assert (len(found), found.problems, found.no_numbers) == (12, (), 0)


def test_photos_that_are_gone_are_left_out(
    files: tuple[Path, ...], classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 2)
    mixed = (Path("gone/1.jpg"), Path("gone/2.jpg"), files[0], Path("gone/3.jpg"), files[5])
    found = observe(classifier, Photos(mixed, np.array([3, 3, 0, 3, 1])))
    assert found.photos.files == (files[0], files[5])
    assert found.labels.tolist() == [0, 1]
    assert len(found.problems) == 3
    assert "1.jpg does not exist" in found.problems[0]


def test_no_photo_at_all(classifier: Classifier) -> None:
    with pytest.raises(DataError, match=r"None of the 1 photos .* can be read\. gone.x\.jpg does not exist.* Put them"):
        observe(classifier, Photos((Path("gone/x.jpg"),), np.array([0])))
    with pytest.raises(DataError, match="None of the 0 photos"):
        observe(classifier, Photos((), np.array([])))


def test_a_network_that_gives_no_numbers(files: tuple[Path, ...], classifier: Classifier) -> None:
    broken = photo_network((16, 16), 4, seed=0)
    broken.set_weights([np.full_like(weights, np.nan) for weights in broken.get_weights()])
    found = observe(
        Classifier(broken, classifier.class_names, (16, 16), "rgb"), Photos(files, LABELS), {"none": np.copy}
    )
    assert found.no_numbers == 12
    np.testing.assert_array_equal(found.probabilities, 0.25)
    assert found.changed["none"].tolist() == [0] * 12


def test_an_error_that_is_no_pictures_goes_on() -> None:
    def load(file: Path) -> np.ndarray:
        if file.name == "bad":
            raise ImageError("damaged")
        raise MemoryError

    [batch] = read([Path("bad")], load)
    assert (batch.places, batch.problems, batch.images.size) == ([], ["damaged"], 0)
    with pytest.raises(MemoryError):
        list(read([Path("other")], load))


def test_files_without_labels() -> None:
    with pytest.raises(ArgumentError, match="There are 2 files and 1 labels"):
        Photos((Path("a"), Path("b")), np.array([0]))


def test_some_of_very_many() -> None:
    many = Photos(tuple(Path(str(number)) for number in range(100)), np.arange(100) % 7)
    some = many.some(10, seed=3)
    assert len(some) == 10
    numbers = [int(file.name) for file in some.files]
    assert numbers == sorted(numbers)
    assert some.labels.tolist() == [number % 7 for number in numbers]
    assert many.some(10, seed=4).files != some.files
    assert many.some(100, seed=3) is many
