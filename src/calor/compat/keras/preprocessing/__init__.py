"""``tf.keras.preprocessing``."""

from calor.compat._absent import outside
from calor.compat._image_files import image_dataset_from_directory

__all__ = ["image_dataset_from_directory"]

__getattr__ = outside(globals(), ["image"])
