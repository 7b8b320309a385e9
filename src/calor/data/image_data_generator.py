"""``ImageDataGenerator``: random changes of pictures and their standardisation, in the words of Keras."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from calor._arguments import integer, number
from calor.data.file_iterators import DataFrameIterator, DirectoryIterator, Reading
from calor.data.picture_changes import UNCHANGED, Changes, Constant, Filling, Shift, Standardization, changed
from calor.data.picture_iterators import Flowing, NumpyArrayIterator, Saving
from calor.data.picture_listings import list_directory, list_table
from calor.data.picture_maps import Preprocessing
from calor.errors import ArgumentError, ShapeError, UnknownNameError, warn
from calor.ops.warp import FILL_MODES

ORDERS = {0: "nearest", 1: "bilinear"}
"""What the orders of interpolation are called in ``calor.ops.warp``."""

AT_ONCE = 32
"""How many pictures ``fit`` changes at a time."""


class ImageDataGenerator:
    """Pictures from arrays, folders or tables of file names, changed at random and standardised.

    ``flow``, ``flow_from_directory`` and ``flow_from_dataframe`` give iterators. ``model.fit``, ``evaluate`` and
    ``predict`` take them and do all that follows inside the compiled program; ``next(iterator)`` gives one batch.

    Each picture is rotated, shifted, sheared and zoomed in one warp, then its channels are shifted, it is flipped, and
    made brighter or darker. Then come ``preprocessing_function``, ``rescale``, the picture's own mean and deviation,
    and those of the data set. This is the order of Keras, and for the same numbers so are the pictures, but for two
    fill modes: "constant" interpolates across the edges, and "wrap" repeats the picture every ``side`` pixels, where
    SciPy has ``side - 1``.

    Two things that Keras' code does, and its documentation does not say, are kept too: ``height_shift_range`` moves
    pictures sideways and ``width_shift_range`` up and down; and pictures that are not square are turned, sheared and
    zoomed about a point off their middle.

    Args:
        featurewise_center: subtract the mean of each channel over the data that ``fit`` was given.
        samplewise_center: subtract each picture's own mean.
        featurewise_std_normalization: divide by the deviation of each channel over these data; subtracts the mean too.
        samplewise_std_normalization: divide by each picture's own deviation; subtracts its mean too.
        zca_whitening: remove the correlations between all values of a picture, as ``fit`` finds them; subtracts the
            mean too. For small pictures: the matrix has (height · width · channels)² numbers.
        zca_epsilon: added to the singular values of the data there.
        rotation_range: degrees; the angle is uniform from -rotation_range to rotation_range.
        width_shift_range: a fraction of the width (below 1) or pixels, uniform to both sides; a whole number n draws
            one of 0, ..., n - 1 pixels to either side, a list one of its numbers to either side.
        height_shift_range: the same with the height.
        brightness_range: (low, high), the factor of brightness, uniform; 0 is black, 1 leaves the picture. Values are
            cut to whole numbers from 0 to 255, as Pillow's pictures have.
        shear_range: degrees; uniform to both sides.
        zoom_range: (low, high), the share of each side that is seen, uniform, for each side by itself; or one number z
            for (1 - z, 1 + z). Below 1 zooms in.
        channel_shift_range: what is added to all values, uniform to both sides; then they are cut to the picture's own
            lowest and highest.
        fill_mode: what is beyond the edges: "nearest", "constant", "reflect" or "wrap", see ``calor.ops.warp``.
        cval: the value there for ``fill_mode="constant"``.
        horizontal_flip: flip half of the pictures left to right.
        vertical_flip: flip half of the pictures upside down.
        rescale: a factor, such as 1/255; None or 0 for none.
        preprocessing_function: of one picture, float32 (height, width, channels), giving one. What JAX can trace and
            draws no random numbers from ``numpy.random`` or ``random`` is compiled; other functions run on the host.
        data_format: "channels_last", also by default.
        validation_split: the share of the pictures that is for ``subset="validation"``, the first of each class.
        interpolation_order: 1, bilinear, or 0, nearest.
        dtype: of the batches that ``next`` gives; training computes in float32.

    Attributes:
        mean, std: of the channels, as ``fit`` found them, shape (1, 1, channels), or set by hand; None before.
        zca_whitening_matrix: likewise, (values, values).

    Raises:
        ArgumentError: an argument has a value that cannot work.
        UnknownNameError: no such fill mode or data format.

    >>> import numpy as np
    >>> generator = ImageDataGenerator(rescale=1 / 255, rotation_range=40, horizontal_flip=True)
    >>> flow = generator.flow(np.zeros((10, 32, 32, 3), np.uint8), np.arange(10), batch_size=4, seed=0)
    >>> images, labels = next(flow)
    >>> images.shape, images.dtype, len(flow)
    ((4, 32, 32, 3), dtype('float32'), 3)
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float | Sequence[float] = 0.0,
        height_shift_range: float | Sequence[float] = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Any], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        self.featurewise_center = bool(featurewise_center)
        self.samplewise_center = bool(samplewise_center)
        self.featurewise_std_normalization = bool(featurewise_std_normalization)
        self.samplewise_std_normalization = bool(samplewise_std_normalization)
        self.zca_whitening = bool(zca_whitening)
        self.zca_epsilon = number(self, "zca_epsilon", zca_epsilon)
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.brightness_range = brightness_range
        self.shear_range = shear_range
        self.zoom_range = zoom_range
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = bool(horizontal_flip)
        self.vertical_flip = bool(vertical_flip)
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.data_format = "channels_last" if data_format is None else data_format
        self.validation_split = number(self, "validation_split", validation_split, least=0, below=1)
        self.interpolation_order = interpolation_order
        self.dtype = _float_type(dtype)
        self.mean: np.ndarray | None = None
        self.std: np.ndarray | None = None
        self.zca_whitening_matrix: np.ndarray | None = None
        if rescale is not None:
            number(self, "rescale", rescale)
        if preprocessing_function is not None and not callable(preprocessing_function):
            raise ArgumentError(
                f"ImageDataGenerator: preprocessing_function must be a function of a picture, not "
                f"{preprocessing_function!r}."
            )
        self._check_data_format()
        self._check_standardization()
        self.changes  # noqa: B018 so that wrong arguments show here

    def _check_data_format(self) -> None:
        if self.data_format == "channels_first":
            raise ArgumentError(
                "ImageDataGenerator: data_format='channels_first' is not supported. Give pictures as (height, width, "
                "channels): numpy.moveaxis(x, 1, -1)."
            )
        if self.data_format != "channels_last":
            raise UnknownNameError("data_format", self.data_format, ("channels_last",))

    def _check_standardization(self) -> None:
        """What one setting means for another, as in Keras."""
        if self.zca_whitening:
            if self.featurewise_std_normalization:
                self.featurewise_std_normalization = False
                warn("zca_whitening replaces featurewise_std_normalization, which is not done.")
            self._implies("zca_whitening", "featurewise_center")
        if self.featurewise_std_normalization:
            self._implies("featurewise_std_normalization", "featurewise_center")
        if self.samplewise_std_normalization:
            self._implies("samplewise_std_normalization", "samplewise_center")

    def _implies(self, setting: str, other: str) -> None:
        if not getattr(self, other):
            setattr(self, other, True)
            warn(f"{setting} includes {other}, which is done too: give {other}=True.")

    @property
    def changes(self) -> Changes:
        """What is drawn for each picture, and how it is applied, as the attributes now say.

        Raises:
            ArgumentError: an argument has a value that cannot work.
        """
        if self.fill_mode not in FILL_MODES:
            raise UnknownNameError("fill_mode", self.fill_mode, FILL_MODES)
        if self.interpolation_order not in ORDERS:
            raise ArgumentError(
                f"ImageDataGenerator: interpolation_order must be 0 (nearest) or 1 (bilinear), not "
                f"{self.interpolation_order!r}: splines of a higher order are not supported."
            )
        brightness = self.brightness_range
        return Changes(
            rotation=number(self, "rotation_range", self.rotation_range),
            height_shift=self._shift("height_shift_range"),
            width_shift=self._shift("width_shift_range"),
            shear=number(self, "shear_range", self.shear_range),
            zoom=self._zoom(),
            channel_shift=number(self, "channel_shift_range", self.channel_shift_range),
            brightness=None if brightness is None else self._pair("brightness_range", brightness),
            horizontal_flip=self.horizontal_flip,
            vertical_flip=self.vertical_flip,
            filling=Filling(ORDERS[self.interpolation_order], self.fill_mode, number(self, "cval", self.cval)),
        )

    def _shift(self, name: str) -> Shift:
        given = getattr(self, name)
        try:
            values = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            values = np.array([[np.nan]])
        if values.ndim > 1 or not values.size or not np.isfinite(values).all():
            raise ArgumentError(
                f"ImageDataGenerator: {name} must be a fraction of the side, a number of pixels, or a list of numbers, "
                f"not {given!r}."
            )
        if values.ndim:
            choices = tuple(values.tolist())
        else:
            whole = isinstance(given, int | np.integer) and given > 0
            choices = tuple(map(float, range(int(given)))) if whole else ()
        return Shift(0.0 if choices else float(values), choices, relative=bool(values.max() < 1))

    def _zoom(self) -> tuple[float, float]:
        if isinstance(self.zoom_range, tuple | list):
            return self._pair("zoom_range", self.zoom_range)
        reach = number(self, "zoom_range", self.zoom_range)
        return 1 - reach, 1 + reach

    def _pair(self, name: str, given: Any) -> tuple[float, float]:
        try:
            low, high = map(float, given)
        except (TypeError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ArgumentError(f"ImageDataGenerator: {name} must be a pair of numbers (low, high), not {given!r}.")
        return low, high

    def standardization(self) -> Standardization:
        """What follows the changes and the ``preprocessing_function``, as the attributes now say.

        Warns where something needs numbers that ``fit`` has not found yet.
        """
        wanted = {
            "mean": self.featurewise_center,
            "std": self.featurewise_std_normalization,
            "zca_whitening_matrix": self.zca_whitening,
        }
        settings = {"mean": "featurewise_center", "std": "featurewise_std_normalization"}
        for name, on in wanted.items():
            if on and getattr(self, name) is None:
                setting = settings.get(name, "zca_whitening")
                warn(f"{setting} is not done: call the generator's fit(x) with some pictures first.")
        mean, std, zca = (Constant.of(getattr(self, name) if on else None) for name, on in wanted.items())
        return Standardization(self.rescale, self.samplewise_center, self.samplewise_std_normalization, mean, std, zca)

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of pictures in an array: ``x``, (x, y) or (x, y, sample_weight).

        Args:
            x: pictures, shape (pictures, height, width, channels); or (pictures, further inputs), an array or a list
                of arrays that go through as they are.
            y: labels, shape (pictures, ...).
            batch_size: pictures in a batch; the last of a pass may have fewer.
            shuffle: a new order in every pass.
            sample_weight: how much each picture counts, shape (pictures,).
            seed: fixes the order and the changes. Without one, ``next`` draws from NumPy's global random numbers.
            save_to_dir: a folder that the batches' pictures are written to. Training then makes its batches on the
                host, one by one.
            save_prefix: what the names of these files begin with.
            save_format: their format, ``"png"`` or ``"jpeg"``.
            ignore_class_split: let the subsets have different labels.
            subset: ``"training"`` or ``"validation"``; the first pictures, ``validation_split`` of them, are for
                validation.

        Raises:
            ShapeError: x is not pictures.
            DataError: the arrays differ in length, or the subsets in their classes.
            ArgumentError: an argument has a value that cannot work.
        """
        return NumpyArrayIterator(
            x,
            y,
            self,
            Flowing(batch_size, shuffle, seed, Saving(save_to_dir, save_prefix, save_format), subset),
            sample_weight=sample_weight,
            ignore_class_split=ignore_class_split,
        )

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the pictures in a folder with a subfolder for each class.

        The files are those that Keras takes, in its order: PNG, JPEG, BMP, PPM and TIFF by their endings, also in
        folders inside the class folders. Hidden files and folders are left out. How many there are is printed. A run
        keeps the decoded pixels as ``Dataset.from_image_folder`` does, so that the next start decodes nothing; single
        batches use them where they are.

        Args:
            directory: the folder.
            target_size: height and width in pixels that the pictures are resized to.
            color_mode: ``"rgb"``, ``"grayscale"``, or ``"rgba"``, whose fourth channel is the opacity.
            classes: the subfolders to read, in the order of their labels; by default all, sorted by name.
            class_mode: what the labels are: ``"categorical"`` (one-hot), ``"binary"`` or ``"sparse"`` (numbers),
                ``"input"`` (the pictures themselves), or None for no labels.
            batch_size: as in ``flow``.
            shuffle: as in ``flow``.
            seed: as in ``flow``.
            save_to_dir: as in ``flow``.
            save_prefix: as in ``flow``.
            save_format: as in ``flow``.
            follow_links: look into folders that are symbolic links.
            subset: ``"training"`` or ``"validation"``; the first files of each class, ``validation_split`` of them, are
                for validation.
            interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"`` or ``"hamming"``, as
                Pillow has them.
            keep_aspect_ratio: cut out the middle in the target's proportions before resizing, rather than stretch.

        Raises:
            DataError: there is no such folder, or it has no class folders or no pictures.
            ImageError: a file cannot be read, when that is tried; the message names it.
            ArgumentError: an argument has a value that cannot work.
        """
        listing = list_directory(
            directory,
            classes=classes,
            class_mode=class_mode,
            follow_links=follow_links,
            subset=subset,
            validation_split=self.validation_split,
        )
        return DirectoryIterator(
            listing,
            self,
            class_mode,
            Reading(target_size, color_mode, interpolation, keep_aspect_ratio),
            Flowing(batch_size, shuffle, seed, Saving(save_to_dir, save_prefix, save_format), subset),
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = False,
        **outdated: Any,
    ) -> DataFrameIterator:
        """Batches of the pictures that a table names: a pandas DataFrame, or another that gives columns by name.

        Args:
            dataframe: the table; ``dataframe["filename"]`` gives a column. A dictionary of lists will do.
            directory: the folder that the file names are relative to; by default the current one.
            x_col: the column of file names.
            y_col: the column of labels; a list of columns for ``"multi_output"``, and if wanted for ``"raw"``.
            weight_col: a column of numbers: how much each picture counts.
            target_size: as in ``flow_from_directory``; the same holds for all arguments that are not here.
            classes: the classes that are used, in the order of their numbers; by default all, sorted.
            class_mode: as in ``flow_from_directory``, with names of classes as text in ``y_col`` (lists of names for
                pictures of several classes, with ``"categorical"``); or ``"raw"``, the values of ``y_col`` as they are;
                or ``"multi_output"``, those of several columns.
            color_mode: as in ``flow_from_directory``.
            batch_size: as in ``flow``.
            shuffle: as in ``flow``.
            seed: as in ``flow``.
            save_to_dir: as in ``flow``.
            save_prefix: as in ``flow``.
            save_format: as in ``flow``.
            subset: ``"training"`` or ``"validation"``; the first rows, ``validation_split`` of them, are for
                validation.
            interpolation: as in ``flow_from_directory``.
            validate_filenames: leave out, with a warning, rows whose file is missing or ends in no picture's ending.
            keep_aspect_ratio: as in ``flow_from_directory``.
            outdated: ``has_ext``, ``sort`` and ``drop_duplicates`` of older Keras, which do nothing.

        Raises:
            DataError: no rows are left, or a column holds something else than it should.
            ImageError: a file cannot be read, when that is tried; the message names it.
            ArgumentError: this is no table, a column is missing, or an argument has a value that cannot work.
        """
        for name in outdated:
            if name not in ("has_ext", "sort", "drop_duplicates"):
                raise ArgumentError(f"flow_from_dataframe has no argument {name!r}.")
            warn(f"flow_from_dataframe: {name} is of an older Keras, and does nothing.")
        if class_mode == "other":
            warn("class_mode='other' is of an older Keras, and taken for 'raw'.")
            class_mode = "raw"
        listing = list_table(
            dataframe,
            directory,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            classes=classes,
            class_mode=class_mode,
            validate_filenames=validate_filenames,
            subset=subset,
            validation_split=self.validation_split,
        )
        return DataFrameIterator(
            listing,
            self,
            class_mode,
            Reading(target_size, color_mode, interpolation, keep_aspect_ratio),
            Flowing(batch_size, shuffle, seed, Saving(save_to_dir, save_prefix, save_format), subset),
        )

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """``preprocessing_function``, scaling and normalisation of one picture, or of a batch taken as one.

        Args:
            x: shape (height, width, channels) or (pictures, height, width, channels). A float array is changed in
                place, as in Keras; one of integers is not.

        Returns:
            The values, float.
        """
        if self.preprocessing_function is not None:
            x = np.asarray(Preprocessing(self.preprocessing_function).once(x))
        if x.dtype.kind != "f":
            x = x.astype(self.dtype)
        result = self.standardization()(x, None)
        if result is x or not x.flags.writeable:
            return result
        x[...] = result
        return x

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Any]:
        """Draw the parameters of a change.

        Args:
            img_shape: of the picture, (height, width, channels).
            seed: fixes the draw. Without one, it is from NumPy's global random numbers.

        Returns:
            ``theta``, ``shear`` in degrees, ``tx``, ``ty`` in pixels, the zooms ``zx``, ``zy``, the booleans
            ``flip_horizontal``, ``flip_vertical``, and ``channel_shift_intensity``, ``brightness``, None without.

        >>> ImageDataGenerator(rotation_range=10).get_random_transform((8, 8, 3), seed=0)["theta"]
        0.976...
        """
        height, width = img_shape[:2]
        return self.changes.draw(_numbers(seed), height, width)

    def apply_transform(self, x: np.ndarray, transform_parameters: Mapping[str, Any]) -> np.ndarray:
        """Change one picture.

        Args:
            x: shape (height, width, channels).
            transform_parameters: by the names that ``get_random_transform`` gives; a missing one changes nothing.

        Returns:
            The picture, in the shape and type of ``x``.

        Raises:
            ShapeError: x is no picture.
            UnknownNameError: a parameter that does not exist.
        """
        x = np.asarray(x)
        if x.ndim != 3:
            raise ShapeError(f"A picture has the shape (height, width, channels), not {x.shape}.")
        for name in transform_parameters:
            if name not in UNCHANGED:
                raise UnknownNameError("parameter of a transform", name, UNCHANGED)
        result = changed(x[np.newaxis], [transform_parameters], self.changes.filling)[0]
        if x.dtype.kind in "iu":
            limits = np.iinfo(x.dtype)
            result = np.clip(np.rint(result), limits.min, limits.max)
        return result.astype(x.dtype)

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Change one picture at random; arguments, result and errors as in the two methods that this calls."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find the mean, the deviation or the whitening matrix of some pictures, where the settings need them.

        ``rescale`` is applied to the pictures first; ``preprocessing_function`` is not, as in Keras.

        Args:
            x: pictures, shape (pictures, height, width, channels).
            augment: change the pictures at random before.
            rounds: how many times over, with new changes each time.
            seed: fixes the changes.

        Raises:
            ShapeError: x is not pictures.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4 or not len(x):
            raise ShapeError(f"fit takes pictures of shape (pictures, height, width, channels), not {x.shape}.")
        if x.shape[-1] not in (1, 3, 4):
            warn(f"Pictures have 1, 3 or 4 channels, on their last axis; x has the shape {x.shape}.")
        if self.rescale:
            x *= self.rescale
        if augment:
            random = _numbers(seed)
            rounds = integer(self, "rounds", rounds)
            parts = [x[start : start + AT_ONCE] for _ in range(rounds) for start in range(0, len(x), AT_ONCE)]
            x = np.concatenate([self._changed(part, random) for part in parts])
        if self.featurewise_center:
            self.mean = x.mean((0, 1, 2), keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = x.std((0, 1, 2), keepdims=True)[0]
            x /= self.std + 1e-6
        if self.zca_whitening:
            # Whitening by the principal components (Bell and Sejnowski, 1997, "The independent components of natural
            # scenes are edge filters"), each divided by its deviation, which is its singular value over sqrt(n).
            components, sizes, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
            factors = np.sqrt(len(x)) / (sizes + self.zca_epsilon)
            self.zca_whitening_matrix = (components * factors) @ components.T

    def finished(self, pictures: np.ndarray, random: Any) -> np.ndarray:
        """A batch changed at random and standardised, on the host.

        Args:
            pictures: shape (pictures, height, width, channels), of any real type.
            random: NumPy's ``RandomState``, or the module ``numpy.random``.

        Returns:
            The pictures, in ``dtype``.
        """
        batch = self._changed(pictures, random)
        if self.preprocessing_function is not None:
            batch = Preprocessing(self.preprocessing_function).each(batch)
        standardization = self.standardization()
        return np.stack([standardization(image, None) for image in batch]).astype(self.dtype)

    def _changed(self, pictures: np.ndarray, random: Any) -> np.ndarray:
        changes = self.changes
        parameters = [changes.draw(random, *pictures.shape[1:3]) for _ in pictures]
        return changed(pictures, parameters, changes.filling).astype(self.dtype)


def _numbers(seed: int | None) -> Any:
    """NumPy's random numbers as Keras draws them: from a seed, or the global ones."""
    return np.random if seed is None else np.random.RandomState(seed)


def _float_type(dtype: Any) -> np.dtype:
    try:
        given = np.dtype("float32" if dtype is None else dtype)
    except TypeError:
        given = np.dtype(object)
    if given.kind != "f":
        raise ArgumentError(f"ImageDataGenerator: dtype must be a float type, such as 'float32', not {dtype!r}.")
    return given
