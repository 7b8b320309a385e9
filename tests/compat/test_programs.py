"""Programs in the styles that people write in, run as ``calor run`` runs them."""

from pathlib import Path

import pytest

from calor.compat import run

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program(
    program: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    if "fashion_mnist" in program.read_text():
        request.getfixturevalue("real_data")
    monkeypatch.chdir(tmp_path)
    plain = "calor.compat.tensorflow" in program.read_text()
    code = run.script(program, with_tensorflow=plain)
    output = capsys.readouterr()
    assert code == 0, output.err
    assert output.out.endswith("done\n")
