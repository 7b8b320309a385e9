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

from networks import case_of

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-peers"
CASES = ("celsius", "celsius-first", "dense", "cnn", "cats", "cats-strided")
SIDES = ("tensorflow", "torch", "torch-bfloat16", "keras-jax", "keras-generator", "onnx")
NEEDS = {"torch": "torch", "torch-bfloat16": "torch", "onnx": "onnxruntime"}
OF_PHOTOS = ("tensorflow", "torch", "keras-generator")


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


def takes_part(side: str, case: str) -> bool:
    """Whether that side has that case: ONNX Runtime trains nothing, and only Keras' likes have ``fit``."""
    if case.startswith("photos") or side == "keras-generator":
        return case.startswith("photos") and side in OF_PHOTOS
    if side == "onnx":
        return case_of(case).predict and case_of(case).name in ("cnn", "cats")
    return not (side.startswith("torch") and case_of(case).name.startswith("celsius"))


def turn(python: Path | str, side: str, case: str) -> tuple[float, float]:
    """Run one side once, in a process of its own: its seconds, and the most memory that the process had, in bytes."""
    command = [str(python), str(HERE / "side.py"), side, case]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} failed on {case}:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["memory"]


def written(seconds: float) -> str:
    """A time with three digits and its unit."""
    factor, unit = next((pair for pair in ((1, "s"), (1e3, "ms")) if seconds * pair[0] >= 1), (1e6, "µs"))
    return f"{seconds * factor:.3g} {unit}"


def has(python: Path, module: str) -> bool:
    """Whether that interpreter can import a module."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def a_case(text: str) -> str:
    """The name of a case, seen to be one."""
    try:
        case_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", type=a_case, default=CASES, metavar="CASE", help="see README.md")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["tensorflow", "torch"])
    parser.add_argument("--turns", type=int, default=5, help="how often each side runs each case")
    parser.add_argument("--threads", type=int, help="the cores that every side is bound to, by default all")
    parser.add_argument("--memory", action="store_true", help="show the most memory that each process had, too")
    arguments = parser.parse_args()
    if arguments.threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    peers = peers_python()
    sides = [side for side in arguments.sides if side not in NEEDS or has(peers, NEEDS[side])]
    for side in set(arguments.sides) - set(sides):
        print(f"{side} is left out: no {NEEDS[side]} in the peers' environment (benchmarks/README.md says how).")
    load, cores = os.getloadavg()[0], arguments.threads or os.cpu_count() or 1
    busy = " (the machine is busy: let it come to rest first)" if load > 0.35 * (os.cpu_count() or 1) else ""
    print(f"{platform.machine()}, {cores} cores, load before the start {load:.1f}{busy}; {arguments.turns} turns")
    print("Times are medians; in brackets how many times as long as Calor's, median and range of the turns.\n")
    print(f"| case | Calor | {' | '.join(sides)} |")
    print("|---|" + "---|" * (1 + len(sides)))
    for case in arguments.cases:
        interpreters = {"calor": sys.executable} | {side: peers for side in sides if takes_part(side, case)}
        turns = [{side: turn(one, side, case) for side, one in interpreters.items()} for _ in range(arguments.turns)]
        cells = []
        for side in ("calor", *sides):
            if side not in interpreters:
                cells.append("")
                continue
            cell = written(statistics.median(one[side][0] for one in turns))
            if side != "calor":
                ratios = [one[side][0] / one["calor"][0] for one in turns]
                cell += f" ({statistics.median(ratios):.3g}; {min(ratios):.3g} to {max(ratios):.3g})"
            if arguments.memory:
                cell += f" {max(one[side][1] for one in turns) / 1e9:.2f} GB"
            cells.append(cell)
        print(f"| {case} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
