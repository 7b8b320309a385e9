"""TensorFlow programs from the start of the process to its end: ``calor run`` beside Python with TensorFlow.

Each program in ``programs`` runs on both sides as it stands. The sides take turns: Calor with an empty cache, Calor
again (its compiled programs and decoded pictures are kept), TensorFlow.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import peers_python, written

HERE = Path(__file__).resolve().parent
PROGRAMS = ("celsius", "fashion_mnist_dense", "fashion_mnist_cnn", "cats_and_dogs_augmented")
SIDES = ("first", "again", "tensorflow")


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """The seconds that a process takes, and the most memory that it had, in bytes."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode(errors='replace')[-3000:]}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def arguments_of(program: str, place: Path) -> list[str]:
    """What a program is called with: the folder of photos, unpacked for both sides alike."""
    if not program.startswith("cats_and_dogs"):
        return []
    from calor.data.archive import unpack

    folder = place / "photos"
    unpack(Path(os.environ["CALOR_DATA"]) / "cats_and_dogs_filtered.zip", folder)
    return [str(folder / "cats_and_dogs_filtered")]


def environments(place: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Those of Calor and TensorFlow, with the data where each looks for them."""
    # What is installed is compiled to bytecode at installation; sources in a checkout are, when they may be.
    common = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    datasets = place / "keras" / "datasets"
    datasets.mkdir(parents=True)
    if "CALOR_DATA" in os.environ:
        (datasets / "fashion-mnist").symlink_to(Path(os.environ["CALOR_DATA"]) / "fashion_mnist")
    theirs = common | {"KERAS_HOME": str(place / "keras"), "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "Agg"}
    return common | {"CALOR_CACHE": str(place / "cache"), "MPLBACKEND": "Agg"}, theirs


def one_turn(program: str, peers: Path) -> dict[str, tuple[float, float]]:
    """Run a program once on each side: seconds and bytes."""
    script = HERE / "programs" / f"{program}.py"
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = environments(Path(folder))
        arguments = arguments_of(program, Path(folder))
        calor = [sys.executable, "-m", "calor", "run", str(script), *arguments]
        return {
            "first": measured(calor, ours),
            "again": measured(calor, ours),
            "tensorflow": measured([str(peers), str(script), *arguments], theirs),
        }


def warm_up(peers: Path) -> None:
    """Let both sides be read from the disk once, and sources be compiled to bytecode."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = environments(Path(folder))
        measured([sys.executable, "-m", "calor", "run", str(HERE / "programs" / "celsius.py")], ours)
        measured([str(peers), "-c", "import tensorflow"], theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--turns", type=int, default=3, help="how often each side runs each program")
    chosen = parser.parse_args()
    peers = peers_python()
    warm_up(peers)
    print(
        f"{chosen.turns} turns: the median of the seconds and the most memory of each side; then TensorFlow's time as a"
    )
    print("multiple of Calor's, median and range of the turns.\n")
    print("| program | Calor, first start | Calor, again | TensorFlow | to the first start | to the next |")
    print("|---|---|---|---|---|---|")
    for program in chosen.programs:
        turns = [one_turn(program, peers) for _ in range(chosen.turns)]
        cells = [
            f"{written(statistics.median(turn[side][0] for turn in turns))}, "
            f"{max(turn[side][1] for turn in turns) / 1e9:.2f} GB"
            for side in SIDES
        ]
        for side in ("first", "again"):
            ratios = [turn["tensorflow"][0] / turn[side][0] for turn in turns]
            cells.append(f"{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})")
        print(f"| `{program}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
