"""Handlers called as no Calor function calls them: an error each time, and never a crash."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calor.ops import native


def test_wrong_calls_are_refused(compiled):
    script = Path(__file__).with_name("wrong_calls.py")
    run = subprocess.run([sys.executable, "-W", "ignore", script, "0"], capture_output=True, text=True)
    *_, accepted, refused = run.stdout.splitlines()[-3:]
    assert run.returncode == 0, f"died with {run.returncode} at:\n{run.stdout[-500:]}\n{run.stderr[-3000:]}"
    assert accepted == "accepted: []"
    assert int(refused.removeprefix("refused: ")) > 400


def test_the_error_says_what_does_not_fit(compiled):
    if not native.available():
        pytest.skip(native.status().reason)
    call = jax.ffi.ffi_call("calor_max_pooling_gradient", jax.ShapeDtypeStruct((1, 4, 4, 1), jnp.float32))
    with pytest.raises(jax.errors.JaxRuntimeError, match="calor: the shapes of a max-pooling's gradient do not fit"):
        call(np.ones((1, 3, 2, 1), np.float32), np.zeros((1, 3, 2, 1), np.uint8), pool=np.array([2, 2, 0, 0]))
