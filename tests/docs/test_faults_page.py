"""The page of planted faults: each of its rows is a fault that a test plants, by the name that the test insists on."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANTED = {
    "nothing: sound pictures": ("workbench/test_checkup.py", "test_nothing_is_found_in_a_clean_folder"),
    "20 copies across training and validation": ("workbench/test_checkup.py", "test_copies_across_splits"),
    "20 of them at half the size": ("workbench/test_checkup.py", "test_near_copies_across_splits"),
    "20 saved again at low quality": ("workbench/test_checkup.py", "test_near_copies_across_splits"),
    "20 mirrored": ("workbench/test_checkup.py", "test_near_copies_across_splits"),
    "20 cropped by 5 %": ("workbench/test_checkup.py", "test_near_copies_across_splits"),
    "pictures that are in two classes": (
        "workbench/test_checkup.py",
        "test_copies_across_classes_are_all_to_be_left_out",
    ),
    "one class all of one size": ("workbench/test_checkup.py", "test_one_size_in_one_class"),
    "a coloured border on one class": ("workbench/test_checkup.py", "test_a_coloured_border_on_one_class"),
    "one camera for one class": ("workbench/test_checkup.py", "test_camera_and_names_that_follow_the_class"),
    "20 times as many of one class": ("workbench/test_checkup.py", "test_one_to_twenty"),
    "nothing: a sound run": ("training/test_verdict.py", '"sound"'),
    "5 % of the labels swapped": ("training/test_verdict.py", '"5 % swapped labels"'),
    "30 % of the labels swapped": ("training/test_verdict.py", '"30 % swapped labels"'),
    "random labels": ("training/test_verdict.py", '"random labels"'),
    "learning rate 100 times too high": ("training/test_verdict.py", '"rate 100 times too high"'),
    "learning rate 100 times too low": ("training/test_verdict.py", '"rate 100 times too low"'),
    "a far too large network, few examples": (
        "training/test_verdict.py",
        '"far too large network on few examples"',
    ),
    "a large network": ("training/test_verdict.py", '"large network"'),
    "a far too small network": ("training/test_verdict.py", '"far too small network"'),
    "a test set of another kind": ("training/test_verdict.py", "test_a_test_set_of_another_kind"),
}
"""The rows, and which test plants the fault: its function, or its row in the table of planted faults."""


def test_each_row_is_planted_and_called_so_by_a_test() -> None:
    lines = (ROOT / "docs/faults.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == list(PLANTED)
    for planted, _, called, _ in rows:
        file, name = PLANTED[planted]
        source = (ROOT / "tests" / file).read_text()
        assert name in source, planted
        # As far as the next test, or the next row.
        body = source[source.index(name) :].partition("\ndef " if name.startswith("test_") else '),\n    "')[0]
        assert called.strip("`") in body or called == "no finding", (planted, called)
