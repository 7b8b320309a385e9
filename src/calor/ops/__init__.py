"""The arithmetic: convolution, pooling, matrix products, image warping. One function each, on XLA."""

from calor.ops._memory import keep_freed_memory
from calor.ops.convolution import convolution
from calor.ops.matmul import matmul, precision
from calor.ops.pooled_convolution import pooled_convolution
from calor.ops.pooling import average_pooling, max_pooling
from calor.ops.warp import warp

__all__ = ["average_pooling", "convolution", "matmul", "max_pooling", "pooled_convolution", "precision", "warp"]

keep_freed_memory()  # before JAX's CPU is first used
