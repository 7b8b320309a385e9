"""`model.weights.h5`, the arrays of a `.keras` file, in Keras 3's layout.

A layer's arrays lie at `layers/<class in snake case, numbered>/vars/<i>` (by class, whatever the layer's own name),
the optimizer's at `optimizer/vars/<i>`.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from calor.errors import ModelFileError
from calor.typing import Shape

OPTIMIZER = "optimizer"


@dataclass(frozen=True)
class Group:
    """The arrays of one layer, or of the optimizer: the name is an attribute that Keras stores beside them."""

    path: str
    name: str
    arrays: Sequence[np.ndarray] = ()


def layer_paths(class_names: Sequence[str]) -> list[str]:
    """Where the arrays of a model's layers lie, given the layers' class names in order.

    >>> layer_paths(["Dense", "MaxPooling2D", "ReLU", "Dense"])
    ['layers/dense', 'layers/max_pooling2d', 'layers/re_lu', 'layers/dense_1']
    """
    seen: Counter[str] = Counter()
    paths = []
    for class_name in class_names:
        snake = snake_case(class_name)
        paths.append(f"layers/{snake}_{seen[snake]}" if seen[snake] else f"layers/{snake}")
        seen[snake] += 1
    return paths


def snake_case(class_name: str) -> str:
    """Keras' spelling of a class name in paths and default names.

    >>> snake_case("RMSprop"), snake_case("Conv2D"), snake_case("InputLayer")
    ('rm_sprop', 'conv2d', 'input_layer')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def write_weights(model_name: str, groups: Sequence[Group]) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for group in (Group("", model_name), *groups):
            stored = file.create_group(f"{group.path}/vars")
            stored.attrs["name"] = group.name
            for index, array in enumerate(group.arrays):
                stored[str(index)] = array if array.dtype.kind in "iu" else array.astype(np.float32)
    return buffer.getvalue()


class WeightsFile:
    """The arrays in a file's bytes.

    Raises:
        ModelFileError: the bytes are no HDF5 file, or one with anything but plain arrays in plain groups:
            no links out of the file or across it, no compression, no virtual arrays. So the arrays take as
            much memory as they take in the file, and no more.
    """

    def __init__(self, contents: bytes) -> None:
        try:
            with h5py.File(io.BytesIO(contents), "r") as file:
                arrays = dict(_walk(file, set()))
                if sum(array.nbytes for array in arrays.values()) > len(contents):
                    raise ModelFileError("its weights lie upon one another in the file. Do not trust it.")
                self._arrays = {path: np.asarray(array[()]) for path, array in arrays.items()}
        except ModelFileError:
            raise
        except Exception as error:  # The HDF5 library raises almost any class for a file that it cannot make sense of.
            raise ModelFileError(f"its weights are no readable HDF5 file ({error}). Save the model again.") from error

    def paths(self, root: str = "") -> list[str]:
        """The arrays below a group, in the order of the file."""
        return [path for path in self._arrays if path.startswith(root)]

    def check(self, root: str, expected: Mapping[str, Shape]) -> None:
        """Compare what lies below a group with what the model needs.

        Raises:
            ModelFileError: an array is missing, superfluous, or of another shape or type.
        """
        found = self.paths(root)
        self._check_shapes(expected)
        if superfluous := sorted(set(found) - set(expected)):
            raise ModelFileError(
                f"its array '{superfluous[0]}' belongs to no layer of the configuration. "
                "The two do not belong together: save the model again."
            )

    def read_checked(self, path: str, shape: Shape) -> np.ndarray:
        """One array, as ``read`` gives it.

        Raises:
            ModelFileError: it is missing, or of another shape.
        """
        self._check_shapes({path: shape})
        return self.read(path)

    def _check_shapes(self, expected: Mapping[str, Shape]) -> None:
        for path, shape in expected.items():
            if path not in self._arrays:
                raise ModelFileError(
                    f"its array '{path}', shape {shape}, is missing. The weights and the configuration do not "
                    "belong together: save the model again."
                )
            if self._arrays[path].shape != shape:
                raise ModelFileError(
                    f"its array '{path}' has shape {self._arrays[path].shape}, and the configuration asks for {shape}. "
                    "The two do not belong together: save the model again."
                )

    def read(self, path: str) -> np.ndarray:
        """One array: float32, or whole numbers where the file has whole numbers."""
        values = self._arrays[path]
        return values if values.dtype.kind in "iu" else values.astype(np.float32)


def _walk(group: h5py.Group, seen: set[int]) -> Iterator[tuple[str, h5py.Dataset]]:
    for name in group:
        path = f"{group.name}/{name}".lstrip("/")
        if group.get(name, getlink=True, getclass=True) is not h5py.HardLink:
            raise ModelFileError(
                f"its weights hold a link at '{path}', which may lead out of the file. Do not trust it."
            )
        item = group[name]
        # Two names for one thing could make circles, and a small file that never ends.
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise ModelFileError(f"its weights hold '{path}' under two names. Do not trust this file.")
        seen.add(address)
        if isinstance(item, h5py.Group):
            yield from _walk(item, seen)
        elif isinstance(item, h5py.Dataset):
            # Keras 3.0 to 3.2 stored the state of a layer's random generator; it has no part in predictions.
            if not re.match(r"layers/[^/]+/seed_generator/", path):
                _check_plain(path, item)
                yield path, item
        else:
            raise ModelFileError(f"its weights hold something that is no array at '{path}'. Save the model again.")


def _check_plain(path: str, array: h5py.Dataset) -> None:
    if array.shape is None or array.is_virtual or array.external or array.chunks is not None or array.compression:
        raise ModelFileError(
            f"its array '{path}' is not stored as plain numbers (it is virtual, external, compressed or empty). "
            "Load it in Keras and save it again."
        )
    if array.dtype.kind not in "iu" and array.dtype != np.float32:
        raise ModelFileError(
            f"its array '{path}' is of type {array.dtype}; Calor's weights are float32. "
            "Save the model from Keras with the dtype policy 'float32'."
        )
    if array.size * array.dtype.itemsize != array.id.get_storage_size():
        raise ModelFileError(
            f"its array '{path}' says that it has shape {array.shape}, which is not what is stored. "
            "Do not trust this file."
        )
