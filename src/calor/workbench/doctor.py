"""What Calor finds on this machine, and a short self-test of its arithmetic: is it right, and how fast is it?"""

import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calor import __version__
from calor._cache import cache_folder, compiled_programs, keep_compiled_programs
from calor.data.memory import available_memory
from calor.ops import _kernels, _plain, native
from calor.ops._windows import kernel_windows, slide
from calor.ops.pooled_convolution import pooled_inputs_gradient, pooled_kernel_gradient, pooled_outputs

BATCH, SIDE, CHANNELS, FILTERS, TAPS = 16, 56, 32, 64, 3
"""The self-test's size: a layer in the middle of a network for photos."""

SIZE = f"{SIDE} × {SIDE} pixels, {CHANNELS} to {FILTERS} channels, {TAPS} × {TAPS}"

TOLERANCE = 1e-4
"""The largest difference between two ways of adding up the same float32 numbers, as a share of the largest result."""


@dataclass(frozen=True)
class Findings:
    """What Calor finds on this machine.

    Attributes:
        versions: by name: Calor, JAX, jaxlib, Python.
        system: the operating system and the kind of machine.
        processor: its name.
        cores: how many there are.
        threads: how many of them XLA's computations use on the CPU.
        memory: in bytes, in all.
        free_memory: what data may take up now, in bytes.
        devices: what JAX computes on, the first by default.
        instruction_set: what the kernels for CPUs in use were compiled for; None where XLA works alone.
        no_kernels: why there are none in use; empty where there are.
        cache_folder: where downloads, decoded pictures and compiled programs are kept.
        cache_bytes: how much lies there.
        compiled_programs: where JAX keeps compiled programs; None where it does not.
        data_folder: what CALOR_DATA names.
    """

    versions: dict[str, str]
    system: str
    processor: str
    cores: int
    threads: int
    memory: int
    free_memory: int
    devices: tuple[str, ...]
    instruction_set: str | None
    no_kernels: str
    cache_folder: Path
    cache_bytes: int
    compiled_programs: str | None
    data_folder: str | None


@dataclass(frozen=True)
class Measurement:
    """One operation of the self-test.

    Attributes:
        name: the operation's.
        gflops: billions of floating-point operations a second on the native kernels, each counted as if none could
            be left out; None where there are no kernels.
        plain_gflops: the same on XLA alone.
        difference: the largest between the two, as a share of the largest result; None where there are no kernels.
    """

    name: str
    gflops: float | None
    plain_gflops: float
    difference: float | None

    @property
    def right(self) -> bool:
        """Whether the kernels give what XLA gives, but for rounding."""
        return self.difference is None or self.difference <= TOLERANCE


def examine() -> Findings:
    """Find out what there is. Computes nothing.

    >>> examine().cores > 0
    True
    """
    keep_compiled_programs()
    folder = cache_folder()
    return Findings(
        versions={
            "Calor": __version__,
            "JAX": jax.__version__,
            "jaxlib": version("jaxlib"),
            "Python": platform.python_version(),
        },
        system=f"{platform.system()} {platform.machine()}",
        processor=processor(),
        cores=os.cpu_count() or 1,
        threads=threads(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        free_memory=available_memory(),
        devices=tuple(f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices()),
        instruction_set=native.instruction_set(),
        no_kernels=native.status().reason,
        cache_folder=folder,
        cache_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        compiled_programs=compiled_programs(),
        data_folder=os.environ.get("CALOR_DATA"),
    )


def no_kernels() -> str | None:
    """One line for a user whose convolutions could be faster; None where nothing is to be said.

    >>> line = no_kernels()
    """
    if jax.default_backend() != "cpu" or native.available():
        return None
    return f"Convolutions run on XLA alone, which is slower than Calor's kernels for CPUs: {native.status().reason}."


def peak(seconds: float) -> float | None:
    """The operations a second, in billions, that all threads reach on registers alone; None without kernels.

    Args:
        seconds: about how long to measure.
    """
    library = native.status().handle
    if library is None:
        return None
    count, rounds = threads(), 100_000
    with ThreadPoolExecutor(count) as pool:
        while True:
            start = time.perf_counter()
            operations = sum(pool.map(library.calor_peak, [rounds] * count))
            took = time.perf_counter() - start
            if took >= seconds / 4:
                return operations / took / 1e9
            rounds *= 2


def self_test(seconds: float = 3.0) -> Iterator[Measurement]:
    """Compare the native kernels with XLA's form of the same operations, and time both.

    Args:
        seconds: about how long to measure in all; compiling comes on top, the first time.

    Yields:
        A ``Measurement`` of each operation, as it is done.
    """
    keep_compiled_programs()
    on_cpu = partial(jax.default_device, jax.local_devices(backend="cpu")[0])
    with on_cpu():
        cases = list(_cases())
    for name, kernels, plain, arguments in cases:
        each = seconds / len(cases) / 2
        gflops = difference = None
        with on_cpu():
            expected, plain_seconds = _timed(plain, arguments, each)
            if native.available():
                found, took = _timed(kernels, arguments, each)
                gflops, difference = _operations() / took / 1e9, _difference(found, expected)
        yield Measurement(name, gflops, _operations() / plain_seconds / 1e9, difference)


def _cases() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any], tuple[jax.Array, ...]]]:
    """Each operation's name, its two forms, and what they are tried on."""
    pictures, weights = (BATCH, SIDE, SIDE, CHANNELS), (TAPS, TAPS, CHANNELS, FILTERS)
    outputs, pooled = (BATCH, SIDE, SIDE, FILTERS), (BATCH, SIDE // 2, SIDE // 2, FILTERS)
    windows = kernel_windows(pictures, weights, (1, 1), "same")
    pool = slide("pool", outputs, (2, 2), (2, 2), "valid")

    random = np.random.default_rng(0)
    draw = partial(random.standard_normal, dtype=np.float32)
    inputs, gradients, pooled_gradients = (jnp.asarray(draw(shape)) for shape in (pictures, outputs, pooled))
    bias = jnp.asarray(draw(FILTERS))
    kernel = jnp.asarray(draw(weights) / np.float32(TAPS * math.sqrt(CHANNELS)))
    place = jnp.asarray(random.choice(np.array([0, 1, 2, 3, 255], np.uint8), pooled))
    both = windows, pool
    yield (
        "convolution",
        partial(_kernels.convolution, windows, True),
        partial(_plain.outputs, windows, True),
        (inputs, kernel, bias),
    )
    yield (
        "its inputs' gradient",
        partial(_kernels.inputs_gradient, windows),
        partial(_plain.inputs_gradient, windows),
        (gradients, kernel),
    )
    yield (
        "its kernel's gradient",
        partial(_kernels.kernel_gradient, windows),
        partial(_plain.kernel_gradient, windows),
        (inputs, gradients),
    )
    yield (
        "convolution and pooling",
        lambda *arguments: _kernels.pooled_convolution(*both, *arguments)[0],
        lambda *arguments: pooled_outputs(*both, *arguments)[0],
        (inputs, kernel, bias),
    )
    yield (
        "its inputs' gradient, pooled",
        partial(_kernels.pooled_inputs_gradient, *both),
        partial(pooled_inputs_gradient, *both),
        (pooled_gradients, place, kernel),
    )
    yield (
        "its kernel's gradient, pooled",
        partial(_kernels.pooled_kernel_gradient, *both),
        partial(pooled_kernel_gradient, *both),
        (inputs, pooled_gradients, place),
    )


def _operations() -> int:
    """Of a convolution of the self-test's size, or of one of its gradients: a product and a sum for each weight."""
    return 2 * BATCH * SIDE * SIDE * CHANNELS * TAPS * TAPS * FILTERS


def _timed(function: Callable[..., Any], arguments: tuple[jax.Array, ...], seconds: float) -> tuple[Any, float]:
    """What the function gives, and the shortest time it took."""
    compiled = jax.jit(function)
    result = jax.block_until_ready(compiled(*arguments))
    shortest, end = math.inf, time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        now = time.perf_counter()
        shortest = min(shortest, now - start)
        if now >= end:
            return result, shortest


def _difference(found: Any, expected: Any) -> float:
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    shares = [float(jnp.max(jnp.abs(one - other)) / jnp.max(jnp.abs(other))) for one, other in pairs]
    return max(shares) if all(map(math.isfinite, shares)) else math.inf


def processor() -> str:
    """The processor's name, or as much of it as the system tells."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() or platform.machine()
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def threads() -> int:
    """As many as XLA makes: these variables say how many, else there is one for each core that the process may use."""
    for name in ("PJRT_NPROC", "NPROC"):
        if (chosen := os.environ.get(name, "")).isdecimal() and int(chosen) > 0:
            return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
