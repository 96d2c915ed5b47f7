"""``make bench``: every figure of the camera beside its target, in one table.

    python -m benchmarks [--only PART]... [--seconds 60] [--json FILE]

Ratios to peers come from one run, taking turns or side by side: trust those, and
microseconds only with the machine they were measured on. A part whose peer or footage
is not there says so and counts as not measured. Exit code 1 if a target was missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import machine
from benchmarks.figures import Figure, NotMeasured, summary, table
from benchmarks.parts import (
    continuity,
    detector,
    disk,
    faces,
    gateway,
    latency,
    memory,
    peer,
    redaction,
    release,
    scale,
    startup,
    timeline,
    times,
    trim,
    upload,
    weather,
)
from benchmarks.rig import Workshop
from tests.peers.requirements import ROOT

PARTS: dict[str, ModuleType] = {
    "detector": detector,
    "weather": weather,
    "peer": peer,
    "memory": memory,
    "disk": disk,
    "latency": latency,
    "continuity": continuity,
    "startup": startup,
    "times": times,
    "gateway": gateway,
    "redaction": redaction,
    "trim": trim,
    "upload": upload,
    "faces": faces,
    "release": release,
    "timeline": timeline,
    "scale": scale,
}
_CACHE = ROOT / ".cache" / "bench"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--only", action="append", choices=PARTS, metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long a process is watched (60)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser.parse_args(arguments)


def run(name: str, workshop: Workshop) -> list[Figure]:
    """One part; what keeps it from running becomes its only line, said loudly as well."""
    part = PARTS[name]
    print(f"{name}: about {part.SECONDS} s", file=sys.stderr, flush=True)
    try:
        figures: list[Figure] = part.measure(workshop)
    except NotMeasured as reason:
        print(f"\n!!! SKIPPED: {name}: {reason}\n", file=sys.stderr, flush=True)
        return [Figure(f"{name}, all of it", None, "", 0, str(reason))]
    for reason_ in sorted({f.note for f in figures if f.verdict == "not measured"}):
        print(f"\n!!! SKIPPED: {name}: {reason_}\n", file=sys.stderr, flush=True)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print the table."""
    asked = parse(arguments)
    began = time.monotonic()
    described = machine.describe()
    results: list[tuple[str, list[Figure]]] = []
    with tempfile.TemporaryDirectory(prefix="clip-agent-bench-") as folder:
        for name in asked.only or PARTS:
            workshop = Workshop(Path(tempfile.mkdtemp(dir=folder)), _CACHE, asked.seconds)
            results.append((name, run(name, workshop)))
    everything = [figure for _, figures in results for figure in figures]
    print("; ".join(f"{name} {value}" for name, value in described.items()))
    print(table([(PARTS[name].TITLE, figures) for name, figures in results]))
    print(f"\n{summary(everything)}; {time.monotonic() - began:.0f} s")
    if asked.json:
        asked.json.write_text(_as_json(described, results))
    return 1 if any(figure.verdict == "MISSED" for figure in everything) else 0


def _as_json(described: dict[str, str], results: Sequence[tuple[str, Sequence[Figure]]]) -> str:
    parts = {
        name: [dataclasses.asdict(figure) | {"verdict": figure.verdict} for figure in figures]
        for name, figures in results
    }
    return json.dumps({"machine": described, "parts": parts}, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
