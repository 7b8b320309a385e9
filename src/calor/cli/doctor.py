"""``calor doctor``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from calor.cli.output import print_json, size_text

if TYPE_CHECKING:
    from calor.workbench.doctor import Findings, Measurement

NAMES = 30
"""The width of the first column of the self-test's table."""


def doctor(
    self_test: Annotated[
        bool, typer.Option("--self-test/--no-self-test", help="Check and time the arithmetic, which takes ten seconds.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    seconds: Annotated[float, typer.Option(min=0, hidden=True)] = 3.0,
) -> None:
    """Show what Calor runs on, and check its arithmetic.

    The exit code is 1 where the self-test finds something wrong.
    """
    from calor.workbench import doctor

    findings = doctor.examine()
    if not json:
        _print_findings(findings)
    measurements: list[Measurement] = []
    peak = None
    if self_test:
        if not json:
            print(f"\nSelf-test, in GFLOP/s (batch {doctor.BATCH}, {doctor.SIZE}):")
            print(f"  {'':<{NAMES}}{'kernels':>9}{'XLA alone':>11}{'difference':>12}")
        if (peak := doctor.peak(seconds / 10)) is not None and not json:
            print(f"  {'arithmetic alone':<{NAMES}}{peak:>9.1f}")
        for one in doctor.self_test(seconds):
            measurements.append(one)
            if not json:
                _print_measurement(one)
    wrong = [one.name for one in measurements if not one.right]
    if json:
        _print_json(findings, peak, measurements, tested=self_test)
    else:
        print(f"\n{_verdict(findings, wrong, tested=self_test)}")
    if wrong:
        raise typer.Exit(1)


def _verdict(findings: "Findings", wrong: list[str], *, tested: bool) -> str:
    if wrong:
        return (
            f"Something is wrong: the kernels for {findings.instruction_set} give other results than XLA for "
            f"{', '.join(wrong)}. Run with CALOR_KERNELS=off, which does without them, and report this output."
        )
    right = "Calor computes right" if tested else "Nothing was computed"
    if findings.instruction_set is None:
        slower = f"{right}, but convolutions on the CPU run on XLA alone, which is slower: {findings.no_kernels}."
        compiling = (
            " With a C++17 compiler there, install Calor again." if "not compiled" in findings.no_kernels else ""
        )
        return slower + compiling
    return f"{right}. The kernels for {findings.instruction_set} are in use."


def _print_findings(found: "Findings") -> None:
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    kept = f"compiled programs in {found.compiled_programs}" if found.compiled_programs else "no compiled programs"
    rows = {
        "Versions": versions,
        "System": found.system,
        "Processor": f"{found.processor}, {_many(found.cores, 'core')}, {_many(found.threads, 'thread')} for XLA",
        "Memory": f"{size_text(found.memory)}, {size_text(found.free_memory)} free for data",
        "Devices": ", ".join(found.devices),
        "Kernels": found.instruction_set or f"none, XLA alone: {found.no_kernels}",
        "Cache": f"{found.cache_folder}, {size_text(found.cache_bytes)}; {kept}",
        "Data": found.data_folder or "CALOR_DATA is not set: named data sets are downloaded into the cache",
    }
    for name, text in rows.items():
        print(f"{name:<11}{text}", flush=True)


def _print_measurement(one: "Measurement") -> None:
    kernels = "–" if one.gflops is None else f"{one.gflops:.1f}"
    difference = "" if one.difference is None else f"{one.difference:.1e}"
    mark = "" if one.right else "  WRONG"
    print(f"  {one.name:<{NAMES}}{kernels:>9}{one.plain_gflops:>11.1f}{difference:>12}{mark}", flush=True)


def _print_json(found: "Findings", peak: float | None, measurements: list["Measurement"], *, tested: bool) -> None:
    from dataclasses import asdict

    result: dict[str, Any] = asdict(found) | {"cache_folder": str(found.cache_folder)}
    if tested:
        result["peak_gflops"] = peak
        # A difference without bounds is no number in JSON.
        result["self_test"] = [asdict(one) | {"right": one.right} for one in measurements]
        for one in result["self_test"]:
            one["difference"] = None if one["difference"] == float("inf") else one["difference"]
        result["right"] = all(one.right for one in measurements)
    print_json(result)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)
