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
CASES = ("celsius", "celsius-first", "dense", "cnn", "cats")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--turns", type=int, default=5, help="how often each side runs each case")
    arguments = parser.parse_args()
    peers = peers_python()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load before the start {load:.1f}; {arguments.turns} turns\n")
    print("| case | Calor | TensorFlow | times as fast (range) |")
    print("|---|---|---|---|")
    for case in arguments.cases:
        ours, theirs = [], []
        for _ in range(arguments.turns):
            ours.append(turn(sys.executable, "calor", case))
            theirs.append(turn(peers, "tensorflow", case))
        ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
        print(
            f"| {case} | {written(statistics.median(ours))} | {written(statistics.median(theirs))} "
            f"| {statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
