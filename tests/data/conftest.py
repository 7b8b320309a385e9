"""What tests of kept pixels share."""

from pathlib import Path

import numpy as np
import pytest

from calor.data import images, pixel_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, into which small folders go too."""
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALOR_CACHE_LIMIT", raising=False)
    monkeypatch.setattr(pixel_cache, "LEAST", 0)
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    names: list[str] = []
    decode = images.decode

    def watched(path: Path, how: images.Decoding) -> np.ndarray:
        names.append(path.name)
        return decode(path, how)

    monkeypatch.setattr(images, "decode", watched)
    return names
