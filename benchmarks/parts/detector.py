"""The motion detector beside OpenCV's: quality on the labelled set, cost taking turns.

All of it is the work of ``../shared/motion/score.py``; here its last line is read.
The detector under test is :func:`benchmarks.adapters.detector`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.figures import Figure, NotMeasured
from benchmarks.rig import SHARED, Workshop
from tests.peers.requirements import ROOT

TITLE = "motion detector, 320x180: the labelled set, cost on one thread with cold caches"
SECONDS = 90
_SCORER = SHARED / "motion" / "score.py"
_PEERS = ("MOG2", "KNN", "MSE")


def measure(workshop: Workshop) -> list[Figure]:
    """Run the scorer in a process of its own, as its README says."""
    del workshop
    if not _SCORER.exists():
        return figures({}, "../shared/motion is not there")
    done = subprocess.run(
        [sys.executable, str(_SCORER), "benchmarks.adapters:detector", "--peers"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotMeasured(f"the scorer failed: {done.stderr[-500:]}")
    return figures(json.loads(done.stdout.splitlines()[-1]))


def figures(scores: Mapping[str, Mapping[str, Any]], missing: str = "") -> list[Figure]:
    """The scorer's totals as figures; without any, lines that say what is ``missing``."""
    ours = scores.get("candidate", {})
    cost = ours.get("microseconds_per_frame")
    mog2 = scores.get("MOG2", {}).get("microseconds_per_frame")
    share = ours.get("empty_flagged_share")
    found = [
        Figure("cost per frame", cost, "us", 260, missing),
        Figure("cost to MOG2's", cost / mog2 if cost and mog2 else None, "ratio", 1 / 3, missing),
        Figure("events missed", _less(ours, "events", "found"), "", 0, _of(ours) or missing),
        Figure("events found later than 1 s", _less(ours, "found", "found_within_1s"), "", 1),
        Figure("false events without any motion", ours.get("negatives_false_events"), "", 0),
        Figure("empty time flagged", None if share is None else 100 * share, "%", 1),
    ]
    for name in _PEERS:
        if peer := scores.get(name):
            note = (
                f"{peer['found']} of {peer['events']} events found, {peer['found_within_1s']} "
                f"in 1 s, {peer['false_events']} false, "
                f"{100 * peer['empty_flagged_share']:.1f} % of empty time flagged"
            )
            found.append(Figure(f"peer: {name}", peer["microseconds_per_frame"], "us", note=note))
    return found


def _less(score: Mapping[str, Any], whole: str, part: str) -> int | None:
    return score[whole] - score[part] if score else None


def _of(score: Mapping[str, Any]) -> str:
    return f"of {score['events']}" if score else ""
