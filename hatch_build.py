"""The native kernels' compilation: a hook of Hatchling, and a program for the Makefile.

``pip install`` compiles them where there is a C++17 compiler ($CXX, c++, g++ or clang++) and goes on without them
elsewhere. CALOR_BUILD_KERNELS=0 leaves them alone, and CALOR_BUILD_KERNELS=1, which wheels are built with, makes it an
error when they cannot be compiled. ``python hatch_build.py`` compiles in place, with the headers of the jaxlib that
this Python has; objects are kept in ``build/kernels``, so that what did not change is not compiled again.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    from hatchling.builders.macos import process_macos_plat_tag
except ImportError:  # run as a program
    BuildHookInterface = object  # type: ignore[assignment, misc]

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "src" / "calor" / "ops" / "native"
LIBRARY = SOURCES / "libcalor.so"
OBJECTS = ROOT / "build" / "kernels"

HEADERS = "jaxlib>=0.10,<0.11"
"""Who brings the headers of XLA's foreign function interface. Newer versions of XLA call what was compiled with older
headers, so it is the oldest version that Calor runs on."""

FLAGS = [
    *("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-fno-math-errno"),
    *("-Wall", "-Wextra", "-Wno-unknown-pragmas"),
]

INSTRUCTION_SETS: dict[str, dict[str, list[str]]] = {
    "x86_64": {
        "generic": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": [
            *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"),
            "-mprefer-vector-width=512",
        ],
    },
    "arm64": {"generic": [], "neon": []},
}
"""What ``kernels.cc`` is compiled for, once each, by machine. The processor gets its best one at run time."""


class BuildError(Exception):
    """The kernels cannot be compiled, and why."""


@functools.cache
def compiler() -> list[str]:
    """The command of the first compiler that can make a C++17 library.

    Raises:
        BuildError: there is none.
    """
    named = os.environ.get("CXX")
    for command in [shlex.split(named)] if named else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(command[0]) and _compiles(command, []):
            return command
    raise BuildError(
        f"CXX={named} is no C++17 compiler" if named else "there is no C++17 compiler (c++, g++ or clang++)"
    )


def _compiles(command: list[str], flags: list[str]) -> bool:
    program = "#include <optional>\n#include <thread>\nint main() { if constexpr (true) return 0; }\n"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "try.cc")
        source.write_text(program)
        arguments = ["-std=c++17", "-fPIC", "-shared", *flags, str(source), "-o", str(Path(folder, "try.so"))]
        return subprocess.run([*command, *arguments], capture_output=True, check=False).returncode == 0


def build(output: Path) -> None:
    """Compile the library.

    Raises:
        BuildError: it cannot be compiled.
    """
    command = compiler()
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    sets = INSTRUCTION_SETS.get(machine, {"generic": []})
    sets = {name: flags for name, flags in sets.items() if not flags or _compiles(command, flags)}
    units: dict[str, tuple[str, list[str], Path | None]] = {
        f"kernels_{name}": ("kernels.cc", [*flags, f"-DCALOR_TARGET={name}"], None) for name, flags in sets.items()
    }
    units["dispatch"] = "dispatch.cc", [f"-DCALOR_HAS_{name.upper()}" for name in sets], None
    units["handlers"] = "handlers.cc", [], _xla_headers()
    OBJECTS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda name: _object(command, name, *units[name]), units))
    _written(output, lambda path: _run([*command, "-shared", *map(str, objects), "-o", str(path), "-pthread"]))


def _xla_headers() -> Path:
    found = importlib.util.find_spec("jaxlib")
    for folder in (found and found.submodule_search_locations) or []:
        if (include := Path(folder, "include")).is_dir():
            return include
    raise BuildError("there is no jaxlib, which brings the headers of XLA, in the environment that compiles")


def _object(command: list[str], name: str, source: str, flags: list[str], headers: Path | None) -> Path:
    """A compiled source; that of an earlier time where compiler, flags, source and headers are the same."""
    digest = hashlib.sha256(repr((command, _version(tuple(command)), platform.machine(), FLAGS, flags)).encode())
    theirs = sorted(headers.glob("xla/ffi/api/*.h")) if headers else []
    for path in [SOURCES / source, *sorted(SOURCES.glob("*.h")), *theirs]:
        digest.update(path.read_bytes())
    path = OBJECTS / f"{name}-{digest.hexdigest()[:16]}.o"
    if not path.exists():
        for old in OBJECTS.glob(f"{name}-*"):
            old.unlink(missing_ok=True)
        system = ["-isystem", str(headers)] if headers else []
        arguments = [*FLAGS, *flags, *system, "-c", str(SOURCES / source)]
        _written(path, lambda to: _run([*command, *arguments, "-o", str(to)]))
    return path


@functools.cache
def _version(command: tuple[str, ...]) -> str:
    return _run([*command, "--version"])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"the compiler failed.\n{shlex.join(command)}\n{done.stdout}{done.stderr}".rstrip())
    if done.stderr:
        print(done.stderr, file=sys.stderr)
    return done.stdout


def _written(path: Path, write: Any) -> None:
    """Have a file written under another name, and rename it: no half of one is ever seen."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def install(output: Path) -> bool:
    """Compile the library as CALOR_BUILD_KERNELS says; whether it was.

    Raises:
        BuildError: it cannot be compiled, and CALOR_BUILD_KERNELS=1.
    """
    wanted = os.environ.get("CALOR_BUILD_KERNELS", "")
    if wanted == "0":
        return False
    try:
        try:
            build(output)
        except OSError as error:
            raise BuildError(f"{error}") from error
    except BuildError as error:
        if wanted == "1":
            raise
        with contextlib.suppress(OSError):
            output.unlink(missing_ok=True)  # an older one is not what its callers expect
        print(f"Calor runs on XLA alone, its kernels for CPUs are not compiled: {error}", file=sys.stderr)
        return False
    return True


class Kernels(BuildHookInterface):
    """Puts the library into the wheel, or beside its sources where Calor is installed as editable."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """The headers of XLA, only where they will be used."""
        if os.environ.get("CALOR_BUILD_KERNELS") == "0":
            return []
        try:
            compiler()
        except BuildError:
            return []
        return [HEADERS]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile. What ctypes loads depends on the platform, not on the version of Python."""
        if version == "editable":
            install(LIBRARY)
            return
        library = OBJECTS / LIBRARY.name
        if not install(library):
            return
        build_data["force_include"][str(library)] = str(LIBRARY.relative_to(ROOT / "src"))
        build_data["pure_python"] = False
        # A universal Python's platform names two machines; the kernels are compiled for this one.
        place = sysconfig.get_platform().replace("universal2", platform.machine())
        place = place.replace("-", "_").replace(".", "_")
        if sys.platform == "darwin":  # an Arm Mac takes no wheel for a macOS older than 11
            place = process_macos_plat_tag(place, compat=False)
        build_data["tag"] = f"py3-none-{place}"


if __name__ == "__main__":
    try:
        install(LIBRARY)
    except BuildError as error:
        sys.exit(f"Calor's kernels for CPUs cannot be compiled: {error}")
