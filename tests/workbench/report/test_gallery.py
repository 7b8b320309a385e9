"""Which photos are shown when not all can be."""

from pathlib import Path

import numpy as np
import pytest

from calor.workbench import draw_pictures
from calor.workbench.report import gallery
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.photos import Photos


def test_every_cell_has_some_before_any_has_all() -> None:
    cells = {(0, 0): list(range(100)), (0, 1): [200, 201, 202], (1, 1): list(range(300, 400)), (1, 0): [500]}
    chosen = gallery.choose(cells, first=[202], most=20)
    assert len(chosen) == len(set(chosen)) == 20
    assert chosen[0] == 202
    assert set(chosen) >= {200, 201, 500}
    assert len(set(chosen) & set(cells[0, 0])) - len(set(chosen) & set(cells[1, 1])) in (0, 1)
    assert sorted(gallery.choose(cells, first=[])) == sorted(place for places in cells.values() for place in places)


def test_a_photo_that_is_gone_has_no_thumbnail(tmp_path: Path) -> None:
    files = sorted(draw_pictures(tmp_path, per_class=1).rglob("*.png"))
    files[1].unlink()
    outputs = Outputs(Photos(tuple(files), np.zeros(4, int)), ("a", "b"), np.tile([0.5, 0.5], (4, 1)), {})
    made = gallery.pictures(outputs, [0, 1, 3])
    assert list(made) == [0, 3]
    assert all(address.startswith("data:image/jpeg;base64,") for address in made.values())


@pytest.mark.parametrize("most", [0, 1])
def test_few(most: int) -> None:
    assert len(gallery.choose({(0, 0): [3]}, first=[], most=most)) == most
