"""The whole report of small runs: whole runs, broken ones, and names that try to get out."""

import json
import math
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calor
from calor.errors import DataError, ModelFileError
from calor.workbench import Split, load_classifier
from calor.workbench.report import Photos, write_report, write_report_after_training
from calor.workbench.report.evidence.learning_curve import LearningCurve
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.share import Share
from calor.workbench.report.gather import gather
from calor.workbench.report.page import render
from calor.workbench.report.record import read_record

EMPTY = {"meta", "img", "br", "path", "circle", "rect"}


class Page(HTMLParser):
    """A page taken apart; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def change(file: Path, **values: Any) -> None:
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | values))


def test_names_are_shown_and_never_obeyed(small_run: Any, names: tuple[str, ...]) -> None:
    change(small_run.folder / "run.json", settings={"folder": "/<b>x</b>", "note": "<script>1</script>"})
    page = Page((write_report(small_run.folder)).read_text(encoding="utf-8"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "link", "base", "form"})
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:image/jpeg;base64,")), (tag, address)
    for name in names:
        assert name in page.words
    assert "/<b>x</b>" in page.text
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_cell_has_a_button_that_opens_its_photos(small_run: Any) -> None:
    write_report(small_run.folder)
    page = Page(small_run.page())
    classifier = load_classifier(small_run.folder)
    evidence = gather(classifier, Photos(tuple(small_run.split.paths("validation")), small_run.split.validation.labels))
    targets = {button.get("popovertarget") for button in page.all("button")}
    popovers = {div["id"] for div in page.all("div") if "popover" in div}
    assert targets == popovers
    assert popovers == {
        f"cell-{row}-{column}" for row, column in zip(*np.nonzero(evidence.confusion.counts), strict=True)
    }


def test_what_is_said(small_run: Any) -> None:
    told: list[tuple[int, int]] = []
    file = write_report(small_run.folder, progress=lambda *at: told.append(at))
    assert file == small_run.folder / "report.html"
    assert not [path for path in small_run.folder.iterdir() if path.suffix == ".part"]
    assert told == [(4, 4)]
    page = Page(small_run.page())
    assert "4 classes · measured on 4 photos that it never learned from · 6 epochs in 3 minutes" in page.text
    assert "4 photos are too few to tell" in page.text
    assert "There are too few photos to choose a threshold" in page.text
    assert "Kept: epoch 6" in page.text
    assert "None of the labels looks wrong" in page.text
    assert f"calor train {small_run.photos} --image-size 16x16 --epochs 6 --seed 1 --no-augment" in page.text
    assert f"calor reproduce '{small_run.folder}'" in page.text
    assert "jaxlib" in page.text
    assert "dense (Dense)" in page.text
    assert "These photos chose which epoch was kept" in page.text


def test_the_same_run_gives_the_same_report(small_run: Any) -> None:
    first, second = (write_report(small_run.folder).read_text(encoding="utf-8") for _ in range(2))
    assert without_time(first) == without_time(second)


def without_time(text: str) -> list[str]:
    return [line for line in text.splitlines() if 'class="about"' not in line and "this report" not in line]


def test_what_the_sealed_part_said(small_run: Any) -> None:
    openings = [{"right": 600, "pictures": 1200}, {"right": 750, "pictures": 1200}]
    (small_run.folder / "sealed.json").write_text(json.dumps({"openings": openings[1:]}))
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "Sealed test part: 62.5 % of 1,200 photos (the true accuracy lies between 59.7 % and 65.2 %)." in text
    assert "Opened once." in text
    assert "chose which epoch" not in text
    (small_run.folder / "sealed.json").write_text(json.dumps({"openings": openings}))
    write_report(small_run.folder)
    assert "Opened 2 times: with each, its word is worth less." in Page(small_run.page()).text
    (small_run.folder / "sealed.json").write_text(json.dumps({"openings": [{"right": 3}]}))
    with pytest.raises(DataError, match=r"sealed\.json is damaged: an opening has no 'pictures'"):
        write_report(small_run.folder)


def test_the_sealed_part_is_never_read(small_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    split = small_run.split
    part = split.training
    test = type(part)(part.files[:2], part.labels[:2], part.hashes[:2])
    rest = type(part)(part.files[2:], part.labels[2:], part.hashes[2:])
    Split(split.folder, split.class_names, rest, split.validation, test).save(small_run.folder / "split.json")
    opened: set[Path] = set()
    before = Path.open

    def open_(path: Path, *arguments: Any, **named: Any) -> Any:
        opened.add(path)
        return before(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", open_)
    write_report(small_run.folder)
    assert opened >= {split.folder / file for file in (*rest.files, *split.validation.files)}
    assert opened.isdisjoint(split.folder / file for file in test.files)
    assert not [file for file in test.files if Path(file).name in small_run.page()]


def test_photos_that_moved_are_found(small_run: Any) -> None:
    moved = small_run.photos.rename(small_run.photos.with_name("elsewhere"))
    with pytest.raises(DataError, match=r"The folder of photos .*photos is not there.* --photos FOLDER"):
        write_report(small_run.folder)
    write_report(small_run.folder, photos=moved)
    assert "missing here" not in small_run.page()


def test_photos_that_are_gone_or_changed_are_told_of(small_run: Any) -> None:
    first, second, *_ = small_run.split.paths("validation")
    first.unlink()
    second.write_bytes(small_run.split.paths("training")[0].read_bytes())
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "1 photo is missing here and left out" in text
    assert "does not exist" in text
    assert "1 photo has changed since" in text
    for file in small_run.split.paths("validation"):
        file.unlink(missing_ok=True)
    with pytest.raises(DataError, match="None of the 4 photos"):
        write_report(small_run.folder)


def test_two_photos_are_gone(small_run: Any) -> None:
    for file in small_run.split.paths("validation")[:2]:
        file.unlink()
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "2 photos are missing here" in text
    assert "And 1 more." in text


def test_a_run_without_a_record(small_run: Any) -> None:
    for name in ("run.json", "history.json"):
        (small_run.folder / name).unlink()
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "The run left no history.json" in text
    assert "The run left no record of them." in text
    assert "calor train" not in text


def test_an_older_run_has_its_settings_in_its_history(small_run: Any) -> None:
    (small_run.folder / "run.json").unlink()
    change(
        small_run.folder / "history.json", params={"folder": "/old", "augment": True, "verdict": {}, "patience": None}
    )
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "augment yes" in text
    assert "calor train /old" in text
    assert "calor reproduce" not in text


def test_a_run_that_ended_before_its_first_epoch(small_run: Any) -> None:
    change(small_run.folder / "history.json", history={}, epoch=[], epoch_seconds=[])
    write_report(small_run.folder)
    page = Page(small_run.page())
    assert "No epoch was finished, so there are no curves." in page.text
    assert "Too short to tell" in page.text


def test_a_run_that_diverged(small_run: Any) -> None:
    model = calor.load_model(small_run.folder / "model.keras")
    model.set_weights([np.full_like(weights, math.nan) for weights in model.get_weights()])
    model.save(small_run.folder / "model.keras")
    change(
        small_run.folder / "history.json", history={"loss": [1.0, math.nan], "val_loss": [math.nan] * 2}, epoch=[0, 1]
    )
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "The network gives no numbers for 4 of 4 photos" in text
    assert "Diverged from epoch 2 on" in text
    assert "Nothing learned." in text
    assert "It has learned nothing that could be tested." in text
    assert "Kept: epoch" not in text


def test_no_model_and_no_split(small_run: Any) -> None:
    (small_run.folder / "split.json").unlink()
    with pytest.raises(DataError, match=r"has no split\.json, .*Train anew"):
        write_report(small_run.folder)
    (small_run.folder / "model.keras").unlink()
    with pytest.raises(ModelFileError, match=r"holds no model\.keras"):
        write_report(small_run.folder)


def test_the_split_of_another_run(small_run: Any) -> None:
    model = calor.load_model(small_run.folder / "model.keras")
    model.class_names = ("one", "two", "three", "four")
    model.save(small_run.folder / "model.keras")
    with pytest.raises(DataError, match=r"split\.json is of another run: .* the model one, two, three, four"):
        write_report(small_run.folder)


@pytest.mark.parametrize("name", ["history.json", "run.json", "sealed.json", "learning_curve.json"])
@pytest.mark.parametrize("contents", ["{", "[]"])
def test_damaged_records(name: str, contents: str, small_run: Any) -> None:
    (small_run.folder / name).write_text(contents)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        write_report(small_run.folder)


def test_photos_of_ones_own(small_run: Any) -> None:
    (small_run.folder / "split.json").unlink()
    files = small_run.split.paths("training")
    write_report(small_run.folder, validation=Photos(tuple(files), small_run.split.training.labels))
    assert f"measured on {len(files)} photos" in Page(small_run.page()).text
    with pytest.raises(DataError, match="1 of the labels of validation are not between 0 and 3, such as 4"):
        write_report(small_run.folder, validation=Photos((files[0], files[1]), np.array([4, 0])))


def test_settings_become_options(small_run: Any) -> None:
    settings = {"folder": "/my photos", "image_size": [96, 96], "seed": 0, "augment": True, "learning_rate": 0.5}
    record = json.loads((small_run.folder / "run.json").read_text())["settings"]
    unusual = next(name for name, value in record.items() if isinstance(value, str) and name != "folder")
    change(small_run.folder / "run.json", settings=settings | {unusual: None, "no such": 1})
    write_report(small_run.folder)
    option = f"--{unusual.replace('_', '-')} none"
    assert f"calor train '/my photos' --seed 0 --learning-rate 0.5 {option}" in Page(small_run.page()).text


def test_at_the_end_of_training(small_run: Any) -> None:
    said: list[str] = []
    write_report_after_training(small_run.folder, said.append)
    assert said == ["  report.html      how good it is, why, and what to do next: open it in a browser"]
    (small_run.folder / "report.html").unlink()
    (small_run.folder / "sealed.json").write_text("{")
    write_report_after_training(small_run.folder, said.append)
    assert said[1].startswith("There is no report.html: ")
    assert "sealed.json is damaged" in said[1]
    (small_run.folder / "split.json").unlink()
    write_report_after_training(small_run.folder, said.append)
    assert len(said) == 2
    assert not (small_run.folder / "report.html").exists()


def test_more_photos(small_run: Any) -> None:
    LearningCurve((3, 6, 12), (Share(40, 100), Share(60, 100), Share(90, 100))).save(small_run.folder)
    write_report(small_run.folder)
    text = Page(small_run.page()).text
    assert "From 6 to 12 photos it gained +30.0 points. More photos will help." in text
    assert "Not measured" not in text


@pytest.mark.parametrize(
    ("half", "whole", "words"),
    [(60, 90, "will help"), (60, 65, "probably help"), (60, 60, "would bring little"), (60, 55, "would bring little")],
)
def test_what_more_photos_would_bring(half: int, whole: int, words: str) -> None:
    assert words in LearningCurve((5, 10), (Share(half, 100), Share(whole, 100))).sentence


@pytest.mark.parametrize(
    "values",
    [{"photos": [5], "right": [1], "of": [2]}, {"photos": [5, 6], "right": [1, 9], "of": [2, 2]}, {"photos": [1, 2]}],
)
def test_a_learning_curve_that_is_none(values: dict[str, list[int]], small_run: Any) -> None:
    (small_run.folder / "learning_curve.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"learning_curve\.json is damaged"):
        write_report(small_run.folder)


@pytest.mark.parametrize("sharp", [0.4, 4.0])
def test_a_network_that_has_learned_something(
    sharp: float, small_run: Any, simulated: Callable[..., Outputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All sections, on simulated answers about real files."""
    made = simulated(400, classes=4, sharp=sharp)
    files = [*small_run.split.paths("validation"), *small_run.split.paths("training")]
    photos = Photos(tuple(files[place % len(files)] for place in range(400)), made.labels)
    changed = dict.fromkeys(("Border only", "No colour", "Shuffled pieces"), made.predicted)
    outputs = Outputs(photos, small_run.split.class_names, made.probabilities, changed)
    monkeypatch.setattr("calor.workbench.report.gather.observe", lambda *_, **__: outputs)
    write_report(small_run.folder)
    page = Page(small_run.page())
    assert ("It is surer than it should be." in page.text) is (sharp > 1)
    assert "Let it stay silent where it is less than" in page.text
    assert "The edges alone tell it most of what it knows" in page.text
    assert page.words.count("Label?") > 0
    assert len(list(page.all("svg"))) == 4


@pytest.mark.parametrize("beats", [True, False, None])
def test_beside_simple_methods(beats: bool | None, small_run: Any, outputs: Callable[..., Outputs]) -> None:
    classifier, record = load_classifier(small_run.folder), read_record(small_run.folder)
    names = small_run.split.class_names
    labels = np.arange(40) % 4
    made = outputs(np.eye(4)[labels], labels, names)
    files = [*small_run.split.paths("validation"), *small_run.split.paths("training")]
    photos = Photos(tuple(files[place % len(files)] for place in range(40)), labels)
    evidence = gather(classifier, photos)
    object.__setattr__(evidence, "outputs", Outputs(photos, names, made.probabilities, {}))
    object.__setattr__(evidence.headline, "accuracy", Share(38, 40))
    object.__setattr__(evidence.headline, "beats", beats)
    text = Page(render(classifier, record, evidence, None, [])).text
    words = {
        True: "Worth having.",
        False: "Not clearly better than commonest class",
        None: "As good as commonest class",
    }
    assert words[beats] in text
