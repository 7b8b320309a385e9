"""What all tests share: a quiet environment, reproducible property tests, and the folder of real data."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before JAX, Keras or Matplotlib are imported. The tolerances of the tests are those of float32 on a CPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "jax"
os.environ["MPLBACKEND"] = "Agg"
# Most of the time of these tests is XLA compiling small programs: what one test, or an earlier run, has compiled
# is kept in a folder of the checkout (`make clean` removes it).
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
if os.environ.get("CALOR_DATA"):  # tests may change the working folder
    os.environ["CALOR_DATA"] = str(Path(os.environ["CALOR_DATA"]).resolve())

collect_ignore = ["compat/programs"]  # programs that tests run, which import what need not be installed

settings.register_profile(
    "calor",
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("calor")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets, which ``CALOR_DATA`` names; a test that asks for it is skipped without."""
    folder = os.environ.get("CALOR_DATA")
    if not folder:
        pytest.skip("CALOR_DATA is not set: it names the folder with the real data sets")
    if not Path(folder).is_dir():
        pytest.fail(f"CALOR_DATA names {folder}, which is not a folder")
    return Path(folder)
