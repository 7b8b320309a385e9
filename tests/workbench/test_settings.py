"""The settings of a run, and the record that is written before it begins."""

import dataclasses
import json
from pathlib import Path

import pytest

from calor.errors import ArgumentError, CalorError, DataError, UnknownNameError
from calor.workbench.run_folder import RECORD
from calor.workbench.run_record import Environment, RunRecord
from calor.workbench.settings import Settings

MANY = Settings(
    "photos", (16, 24), 5, 7, 3, 1e-2, False, 4, "notes", minutes=2.5, class_weight="balanced", split="split.json"
)
MANY = dataclasses.replace(MANY, test_share=0.1, check=False, leave_out=Path("list.txt"))


@pytest.mark.parametrize("settings", [Settings("photos"), MANY])
def test_settings_survive_json(settings: Settings) -> None:
    again = Settings.from_dict(json.loads(json.dumps(settings.as_dict())))
    assert again == settings
    assert again.folder == Path.cwd() / "photos"


def test_what_is_not_written_has_its_default() -> None:
    assert Settings.from_dict({"folder": "/photos", "epochs": 3}) == Settings("/photos", epochs=3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"folder": 3}, "folder must be a path, not 3"),
        ({"split": 3}, "split must be a path, not 3"),
        ({"image_size": 96}, "height and a width of at least 8 pixels, not 96"),
        ({"image_size": (96,)}, "height and a width"),
        ({"image_size": (96, 7)}, "height and a width"),
        ({"image_size": (96, 96.0)}, "height and a width"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 up, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"patience": True}, "patience must be a whole number"),
        ({"seed": -1}, "seed must be a whole number from 0 up"),
        ({"learning_rate": "fast"}, "learning_rate must be a number at least 0, not 'fast'"),
        ({"minutes": -1}, "minutes must be a number at least 0"),
        ({"augment": "yes"}, "augment must be True or False, not 'yes'"),
        ({"check": 1}, "check must be True or False, not 1"),
        ({"test_share": "some"}, "test_share must be a number at least 0"),
        ({"leave_out": 3}, "leave_out must be a path, not 3"),
        ({"recipe": ""}, "recipe must be a name"),
        ({"class_weight": "rare"}, "class_weight must be 'auto', 'balanced' or None, not 'rare'"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Settings.from_dict({"folder": "/photos"} | wrong)


def test_unknown_settings_and_no_folder_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no setting called 'epoch'"):
        Settings.from_dict({"folder": "/photos", "epoch": 3})
    with pytest.raises(ArgumentError, match="no folder of photos"):
        Settings.from_dict({})


def test_the_record_survives_its_file(tmp_path: Path) -> None:
    record = RunRecord(MANY, Environment.now())
    record.save(tmp_path)
    assert RunRecord.load(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_differences_name_what_differs() -> None:
    here = Environment.now()
    there = dataclasses.replace(
        here, versions=here.versions | {"jax": "0.0.1"}, threads=here.threads + 1, devices=("abacus",)
    )
    assert here.differences(there) == {
        "jax": (here.versions["jax"], "0.0.1"),
        "threads": (str(here.threads), str(here.threads + 1)),
        "devices": (", ".join(here.devices), "abacus"),
    }
    fewer = dataclasses.replace(here, versions={})
    assert here.differences(fewer)["numpy"] == (here.versions["numpy"], "none")


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder without run"):
        RunRecord.load(tmp_path)
    with pytest.raises(DataError, match="is no folder: it is no run"):
        RunRecord.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "has no format number"),
        ("{}", "has no format number"),
        ('{"format": 99}', "newer Calor"),
        ('{"format": 1}', "damaged, or was changed: 'settings'"),
        ('{"format": 1, "settings": 3}', "damaged"),
        ('{"format": 1, "settings": {"folder": "/p", "epochs": 0}}', "epochs must be"),
        ('{"format": 1, "settings": {"folder": "/p"}}', "damaged, or was changed: 'versions'"),
    ],
)
def test_a_damaged_record_is_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(DataError, match=message) as error:
        RunRecord.load(tmp_path)
    assert isinstance(error.value, CalorError)
    assert str(tmp_path / RECORD) in str(error.value)
