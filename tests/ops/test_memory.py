"""The memory of one call of a program is there for the next, unless the user set glibc's limits."""

import os
import platform
import resource
import subprocess
import sys

import pytest

from calor.ops._memory import USERS_LIMITS

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here")

MEGABYTES = 128

COUNT_PAGES = """
import resource
import numpy as np
import jax, jax.numpy as jnp
import calor.layers

def total(seed):
    numbers = jnp.arange(MEGABYTES << 18, dtype=jnp.uint32) + seed
    return jnp.sum(jax.lax.optimization_barrier(numbers))  # so all of them are in memory at once

program = jax.jit(total).lower(np.uint32(0)).compile()
program(np.uint32(0)).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
program(np.uint32(1)).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
""".replace("MEGABYTES", str(MEGABYTES))


def new_pages(**variables: str) -> int:
    """The pages that the second call of a program is given by the system, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in USERS_LIMITS}
    run = subprocess.run(
        [sys.executable, "-c", COUNT_PAGES], env=environment | variables, capture_output=True, text=True, check=True
    )
    return int(run.stdout)


def test_a_second_call_needs_no_new_pages() -> None:
    assert new_pages() < 1000


@pytest.mark.parametrize(("name", "limit"), [("MALLOC_MMAP_THRESHOLD_", "65536"), ("GLIBC_TUNABLES", "")])
def test_the_users_own_limits_stay(name: str, limit: str) -> None:
    assert new_pages(**{name: limit}) >= (MEGABYTES << 20) // resource.getpagesize()
