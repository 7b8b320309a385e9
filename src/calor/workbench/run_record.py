"""``run.json``: the settings of a run and what it ran on, written before it begins."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from calor import __version__
from calor.errors import ArgumentError, DataError
from calor.ops import native
from calor.workbench import doctor
from calor.workbench.run_folder import RECORD, replacing
from calor.workbench.settings import Settings

_FORMAT = 1
"""Grows when an older Calor would misread a newer file."""


@dataclass(frozen=True)
class Environment:
    """What the last bits of a run's figures may depend on, beside its settings.

    Attributes:
        versions: by name: ``calor``, ``jax``, ``jaxlib``, ``numpy``, ``python``.
        platform: the operating system and the kind of machine.
        processor: its name.
        devices: what JAX computes on, the first by default.
        threads: how many of them computations use on a CPU.
        kernels: the instruction set of Calor's kernels for CPUs; ``"off"`` where XLA works alone.
    """

    versions: dict[str, str]
    platform: str
    processor: str
    devices: tuple[str, ...]
    threads: int
    kernels: str

    @classmethod
    def now(cls) -> "Environment":
        """That of this process.

        >>> sorted(Environment.now().versions)
        ['calor', 'jax', 'jaxlib', 'numpy', 'python']
        """
        names = ("jax", "jaxlib", "numpy")
        return cls(
            {"calor": __version__} | {name: version(name) for name in names} | {"python": platform.python_version()},
            f"{platform.system()} {platform.machine()}",
            doctor.processor(),
            tuple(device.device_kind for device in jax.devices()),
            doctor.threads(),
            native.instruction_set() or "off",
        )

    def differences(self, other: "Environment") -> dict[str, tuple[str, str]]:
        """What differs, by name: this one's value and the other's.

        >>> here = Environment.now()
        >>> here.differences(here)
        {}
        """
        others = other._flat()
        return {
            name: (mine, theirs) for name, mine in self._flat().items() if (theirs := others.get(name, "none")) != mine
        }

    def _flat(self) -> dict[str, str]:
        others = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "versions"}
        return self.versions | {name: _plain(value) for name, value in others.items()}


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` holds.

    Attributes:
        settings: of the run.
        environment: what it began on.
        photos: a hash of the photos in both parts, their names and their classes; empty until they are read.
    """

    settings: Settings
    environment: Environment
    photos: str = ""

    def save(self, folder: Path) -> None:
        """Write ``run.json`` into the run folder.

        Raises:
            OSError: it cannot be written.
        """
        values = {
            "format": _FORMAT,
            "settings": self.settings.as_dict(),
            "photos": self.photos,
            **asdict(self.environment),
        }
        with replacing(folder / RECORD) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "RunRecord":
        """Read ``run.json`` in a run folder.

        Raises:
            DataError: there is none, or it is none that this Calor understands.
        """
        file = Path(folder) / RECORD
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            what = "a folder without run.json" if Path(folder).is_dir() else "no folder"
            raise DataError(f"{folder} is {what}: it is no run that `calor train` has begun.") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{file} cannot be read ({error}): the run cannot be told from it.") from None
        if not isinstance(values, Mapping) or not isinstance(values.get("format"), int):
            raise DataError(f"{file} is no record of a run: it has no format number.")
        if values["format"] > _FORMAT:
            raise DataError(f"{file} was written by a newer Calor: bring Calor up to date.")
        try:
            return cls(Settings.from_dict(values["settings"]), _environment(values), values.get("photos", ""))
        except (ArgumentError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file} is damaged, or was changed: {error}") from None


def _environment(values: Mapping[str, Any]) -> Environment:
    known = {field.name: values[field.name] for field in fields(Environment)}
    return Environment(**known | {"versions": dict(known["versions"]), "devices": tuple(known["devices"])})


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
