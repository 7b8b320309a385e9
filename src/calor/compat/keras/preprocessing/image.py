"""``tf.keras.preprocessing.image``: pictures from files, and ``ImageDataGenerator``."""

from calor.compat._absent import outside
from calor.compat._image_files import array_to_img, img_to_array, load_img
from calor.data.file_iterators import DataFrameIterator, DirectoryIterator
from calor.data.image_data_generator import ImageDataGenerator
from calor.data.picture_iterators import NumpyArrayIterator

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "NumpyArrayIterator",
    "array_to_img",
    "img_to_array",
    "load_img",
]

__getattr__ = outside(globals())
