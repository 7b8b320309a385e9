"""The same numbers from run to run, for any number of threads, from many threads at once, and after a fork."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .results import CASES, digest

SCRIPT = Path(__file__).with_name("results.py")


def run(*command, **environment):
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout.strip()


def test_any_number_of_threads_gives_the_same_bits(compiled):
    """XLA has as many threads as NPROC says."""
    one, two, five = (run(SCRIPT, NPROC=count, CALOR_KERNELS="") for count in ("1", "2", "5"))
    assert one
    assert one == two
    assert one == five


def test_the_same_bits_again_and_again(instructions):
    for case in CASES:
        assert len({digest(case) for _ in range(4)}) == 1


def test_many_threads_at_once(instructions):
    """Each calls all kernels; more threads than cores, so that they wait for one another."""
    alone = [digest(case) for case in CASES]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(digest, CASES * 8))
    assert together == alone * 8


FORK = """
import os, sys, warnings
import numpy as np, jax
from calor import ops
inputs, kernel = np.ones((2, 9, 9, 3), np.float32), np.ones((3, 3, 3, 5), np.float32)
program = jax.jit(lambda inputs: ops.pooled_convolution(inputs, kernel))
if sys.argv[1] == "used":
    before = np.asarray(program(inputs))
else:
    assert ops.native.status()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    child = os.fork()
if not child:  # which does nothing with JAX where it was used before
    if sys.argv[1] != "used":
        assert (np.asarray(program(inputs)) == 27).all()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert (np.asarray(program(inputs)) == 27).all()
print(*(type(one.message).__name__ for one in caught if "JAX is multithreaded" in str(one.message)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_after_use_warns_and_leaves_the_parent_right(compiled):
    """A child cannot compute on JAX, with or without these kernels: its threads are the parent's. JAX says so."""
    assert run("-c", FORK, "used") == "RuntimeWarning"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_before_use_computes(compiled):
    """Where the library was loaded before, but JAX has not run anything yet."""
    run("-c", FORK, "loaded")
