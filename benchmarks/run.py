"""Calor beside its peers: the sides take turns, and the table gives their ratios with the spread."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-peers"
CASES = ("celsius", "celsius-first", "dense", "cnn", "cats", "cats-strided")
KERAS_ONLY = ("celsius", "celsius-first")
SIDES = ("tensorflow", "torch", "torch-bfloat16", "keras-jax")


def peers_python() -> Path:
    """The peers' interpreter; its environment is made on the first run. CALOR_PEERS names another one."""
    if "CALOR_PEERS" in os.environ:
        return Path(os.environ["CALOR_PEERS"])
    python = PEERS / "bin" / "python"
    ready = PEERS / ".installed"
    if not ready.exists():
        print("Installing the peers into .venv-peers ...", flush=True)
        venv.create(PEERS, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements-peers.txt"], check=True)
        ready.touch()
    return python


def turn(python: Path | str, side: str, case: str) -> float:
    """Run one side once, in a process of its own."""
    command = [str(python), str(HERE / "side.py"), side, case]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} failed on {case}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def written(seconds: float) -> str:
    """A time with three digits and its unit."""
    factor, unit = next((pair for pair in ((1, "s"), (1e3, "ms")) if seconds * pair[0] >= 1), (1e6, "µs"))
    return f"{seconds * factor:.3g} {unit}"


def has(python: Path, module: str) -> bool:
    """Whether that interpreter can import a module."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["tensorflow", "torch"])
    parser.add_argument("--turns", type=int, default=5, help="how often each side runs each case")
    arguments = parser.parse_args()
    peers = peers_python()
    sides = [side for side in arguments.sides if not side.startswith("torch") or has(peers, "torch")]
    for side in set(arguments.sides) - set(sides):
        print(f"{side} is left out: there is no PyTorch in the peers' environment (benchmarks/README.md says how).")
    load = os.getloadavg()[0]
    busy = " (the machine is busy: let it come to rest first)" if load > 0.7 * (os.cpu_count() or 1) else ""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load before the start {load:.1f}{busy}; {arguments.turns} turns"
    )
    print("Times are medians; in brackets how many times as long as Calor's, median and range of the turns.\n")
    print(f"| case | Calor | {' | '.join(sides)} |")
    print("|---|" + "---|" * (1 + len(sides)))
    for case in arguments.cases:
        theirs: dict[str, list[float]] = {side: [] for side in sides if not (case in KERAS_ONLY and "torch" in side)}
        ours = []
        for _ in range(arguments.turns):
            ours.append(turn(sys.executable, "calor", case))
            for side, times in theirs.items():
                times.append(turn(peers, side, case))
        cells = [written(statistics.median(ours))]
        for side in sides:
            if side not in theirs:
                cells.append("")
                continue
            ratios = [their / our for our, their in zip(ours, theirs[side], strict=True)]
            spread = f"{statistics.median(ratios):.3g}; {min(ratios):.3g} to {max(ratios):.3g}"
            cells.append(f"{written(statistics.median(theirs[side]))} ({spread})")
        print(f"| {case} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
