"""Data: where examples come from, what happens to them, and how they get into the compiled program.

``Dataset`` describes examples and what is done to them, ``image_folder`` reads labelled photos, ``load`` fetches
named data sets, ``ImageDataGenerator`` flows pictures that change at random. ``Plan``, ``Cursor`` and ``Block`` are
what training takes them by.
"""

import importlib
from typing import TYPE_CHECKING, Any

from calor.data.cursor import Block, Cursor
from calor.data.dataset import Dataset, image_folder
from calor.data.dataset_core import INFINITE, UNKNOWN, UnknownLengthError
from calor.data.image_data_generator import ImageDataGenerator
from calor.data.images import load_image
from calor.data.plan import Plan

if TYPE_CHECKING:
    from calor.data.catalogue import load

__all__ = [
    "INFINITE",
    "UNKNOWN",
    "Block",
    "Cursor",
    "Dataset",
    "ImageDataGenerator",
    "Plan",
    "UnknownLengthError",
    "image_folder",
    "load",
    "load_image",
]


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    # Late, because the catalogue brings the tools for downloads with it.
    globals()[name] = importlib.import_module("calor.data.catalogue").load
    return globals()[name]
