"""The layers: each a small description with a pure function, one class to a section of the course."""

from calor.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from calor.layers.augmentation import (
    RandomAffine,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from calor.layers.base import Layer
from calor.layers.convolution import Conv2D
from calor.layers.dense import Dense
from calor.layers.dropout import Dropout
from calor.layers.erasing import RandomErasing
from calor.layers.input import Input
from calor.layers.mixing import CutMix, MixUp
from calor.layers.normalization import BatchNormalization
from calor.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from calor.layers.rescaling import Rescaling
from calor.layers.reshaping import Flatten, Reshape
from calor.layers.resizing import Resizing
from calor.layers.saturation import RandomSaturation

__all__ = [
    "ELU",
    "Activation",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv2D",
    "CutMix",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Input",
    "Layer",
    "LeakyReLU",
    "MaxPooling2D",
    "MixUp",
    "RandomAffine",
    "RandomBrightness",
    "RandomContrast",
    "RandomErasing",
    "RandomFlip",
    "RandomRotation",
    "RandomSaturation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Resizing",
    "Softmax",
]
