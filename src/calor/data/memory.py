"""How much memory there is for data."""

import os
import re
from pathlib import Path

import jax


def available_memory() -> int:
    """The bytes that data may take up now: free in the machine, or on the accelerator where that has less.

    >>> available_memory() > 0
    True
    """
    host = _available_on_host()
    device = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in device:
        host = min(host, device["bytes_limit"] - device.get("bytes_in_use", 0))
    return max(host, 0)


def _available_on_host() -> int:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) << 10
    # macOS says only how much there is in all.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
