"""The memory that one call of a compiled program needs, kept by the process for the next call.

XLA allocates what a program computes with at every call, in the thread that the call runs in. Left to itself, glibc
gives blocks of more than 32 MB back to the system as soon as they are free, and the system fills the pages of the next
ones with zeros again: a tenth of a training step on large pictures. Once told, glibc keeps them in its main heap, which
only the main thread grows without bound. So the programs must run in the thread that calls them, and not in one of
JAX's own, which would gain nothing here: whoever calls a program waits for what it gives.
"""

import ctypes
import functools
import os

import jax

LARGEST = 1 << 30
"""Bytes of the largest block that is kept."""

KEPT = (1 << 31) - 1
"""Bytes that are kept at the most: as much as ``mallopt`` can be asked for."""

USERS_LIMITS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""The variables by which users set glibc's limits themselves."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as in malloc.h


@functools.cache
def keep_freed_memory() -> bool:
    """Have freed memory kept, once in a process; whether that was done.

    It is not done where the C library is not glibc, nor where one of ``USERS_LIMITS`` is set, be it to nothing.
    Where JAX's CPU was in use before, its programs stay in threads of their own and gain nothing.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version") or any(name in os.environ for name in USERS_LIMITS):
        return False
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, LARGEST) and libc.mallopt(_M_TRIM_THRESHOLD, KEPT))
