"""`make fuzz`: every target for its share of ten minutes, in two processes at a time.

::

    python -m tests.fuzz [TARGET ...]     FUZZ_SECONDS=120 shortens it

Prints the number of executions of each target and "no finding", or where the input of a
finding lies and the command that shows it again; ends with 1 if there is any. What the
fuzzer learns stays in ``.cache/fuzz`` and is where the next run begins.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

FOLDER = Path(".cache/fuzz")
_PROCESSES = 2
_DEFAULT_SECONDS = 600.0
_INPUT_SECONDS = 10  # an input that takes longer is a finding
_MEMORY_MB = 1_024
_GRACE_SECONDS = 90.0  # for starting, and for the seeds
_EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)$", re.MULTILINE)
_FOUND = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True)
class Result:
    """The result of one target."""

    target: str
    executions: int
    seconds: float
    finding: str
    log: Path

    @property
    def line(self) -> str:
        """The result for a person."""
        verdict = self.finding or "no finding"
        return (
            f"{self.target:16} {self.executions:>10,} executions {self.seconds:6.0f} s  {verdict}"
        )


def fuzz(target: Target, seconds: float) -> Result:
    """Run one target for ``seconds``."""
    corpus, found = FOLDER / "corpus" / target.name, FOLDER / "findings"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    seeds = FOLDER / "seeds" / target.name
    seeds.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (seeds / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", target.name),
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={target.max_bytes}",
        f"-timeout={_INPUT_SECONDS}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-artifact_prefix={found}/{target.name}-",
        "-print_final_stats=1",
        *(str(corpus), str(seeds)),
    ]
    log = FOLDER / f"{target.name}.log"
    begun = time.monotonic()
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=seconds + _GRACE_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    text = log.read_text("utf-8", "replace")
    counted = _EXECUTIONS.search(text)
    executions = int(counted[1]) if counted else 0
    took = time.monotonic() - begun
    finding = _finding(target.name, code, executions, text, log)
    return Result(target.name, executions, took, finding, log)


def _finding(name: str, code: int, executions: int, text: str, log: Path) -> str:
    """The failure and the command to reproduce it; empty if there is none."""
    saved = _FOUND.search(text)
    if saved:
        return f"FINDING; again: {sys.executable} -m tests.fuzz.one {name} {saved[1]}"
    if code != 0:
        return f"FAILED (exit {code}): see {log}"
    return "" if executions else f"RAN NOTHING: see {log}"


def main(names: Sequence[str]) -> int:
    """Fuzz the targets of these names, or all."""
    if importlib.util.find_spec("atheris") is None:
        in_ci = os.environ.get("CI") == "true"
        print(
            "\n!!! SKIPPED: atheris is not to be had for this Python or machine\n", file=sys.stderr
        )
        return 1 if in_ci else 0
    chosen = [TARGETS[name] for name in names] or list(TARGETS.values())
    total = float(os.environ.get("FUZZ_SECONDS", _DEFAULT_SECONDS))
    each = total * _PROCESSES / len(chosen)
    print(f"{len(chosen)} targets, {each:.0f} s each, {_PROCESSES} at a time")
    with ThreadPoolExecutor(_PROCESSES) as pool:
        results = []
        for result in pool.map(lambda target: fuzz(target, each), chosen):
            results.append(result)
            print(result.line, flush=True)
    findings = sum(bool(result.finding) for result in results)
    executions = sum(result.executions for result in results)
    print(f"{executions:,} executions, {findings or 'no'} finding{'s' if findings > 1 else ''}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
