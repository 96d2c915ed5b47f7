"""The motion detector in drawn weather: what it records, finds and costs, and its steps.

Rain, snow, insects, beams, wind and water over real scenes, with and without somebody, from
``../shared/motion/weather.py``. Each look is also shown to the detector with one of its
steps taken out (:mod:`benchmarks.ablations`). For the cost OpenCV's MOG2 takes turns with
it, look by look.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from benchmarks.ablations import ABLATIONS
from benchmarks.adapters import detector
from benchmarks.figures import Figure, NotMeasured
from benchmarks.rig import SHARED, Workshop

TITLE = "motion detector in drawn weather: 28 clips with nobody, 31 with somebody"
SECONDS = 420
_FPS, _SIZE = 7.5, (320, 180)
_OURS = "ours"
_COST_CLIPS = ("storm@asphalt", "blizzard@asphalt", "low_light@room")
_RAIN = ("rain, nobody", "rain at night, nobody")


def measure(workshop: Workshop) -> list[Figure]:
    """Draw each clip once, and show it to all."""
    del workshop
    folder = SHARED / "motion"
    if not (folder / "weather.py").exists():
        raise NotMeasured("../shared/motion is not there")
    sys.path.insert(0, str(folder))
    try:
        score, metrics = importlib.import_module("score"), importlib.import_module("metrics")
    finally:
        sys.path.remove(str(folder))
    clips = score.weather(score.load_clips(folder / "labels.json", folder / "footage"))
    variants = {_OURS: detector, **ABLATIONS}
    entries = [score.Entry(name, make, _FPS, _SIZE) for name, make in variants.items()]
    scores: dict[str, list[Any]] = {name: [] for name in variants}
    for clip in clips:
        found = score.firings(entries, clip)
        for name, firings in zip(variants, found, strict=True):
            scores[name].append(metrics.score_clip(clip, firings))
    groups = [clip.group for clip in clips]
    totals = {name: _totals(groups, own, metrics) for name, own in scores.items()}
    costs = {clip.name: _cost(score, clip) for clip in clips if clip.name in _COST_CLIPS}
    return figures(totals, costs)


def _totals(groups: Sequence[str], scores: Sequence[Any], metrics: ModuleType) -> dict[str, Any]:
    """The sums over the clips with nobody, with somebody, and with rain and nobody."""
    by_group = list(zip(groups, scores, strict=True))
    return {
        "nobody": metrics.sum_scores(own for group, own in by_group if "nobody" in group),
        "somebody": metrics.sum_scores(own for group, own in by_group if "somebody" in group),
        "rain": metrics.sum_scores(own for group, own in by_group if group in _RAIN),
    }


def _cost(score: ModuleType, clip: Any) -> float:
    """The cost of a look as a share of MOG2's."""
    mog2 = next(entry for entry in score.PEERS if entry.name == "MOG2")
    ours, theirs = score.microseconds_per_frame(
        [score.Entry(_OURS, detector, _FPS, _SIZE), mog2], clip
    )
    return float(ours / theirs)


def figures(totals: Mapping[str, Mapping[str, Any]], costs: Mapping[str, float]) -> list[Figure]:
    """The sums of :func:`_totals` for ours and each ablation, and the cost in each clip."""
    ours = totals[_OURS]
    nobody, somebody, rain = ours["nobody"], ours["somebody"], ours["rain"]
    found = [
        Figure("nobody: time flagged", 100 * nobody.flagged_share, "%", 4),
        Figure("nobody: time recorded", _recorded(nobody), "%", 8),
        Figure("rain of all kinds, nobody: time recorded", _recorded(rain), "%", 3),
        Figure(
            "somebody: events missed",
            somebody.events - somebody.found,
            "",
            0,
            f"of {somebody.events}",
        ),
        Figure("somebody: events found later than 1 s", _late(somebody), "", 2),
        Figure("somebody: time recorded", _recorded(somebody), "%"),
    ]
    for name, sums in totals.items():
        if name != _OURS:
            late, missed = _late(sums["somebody"]), sums["somebody"].events - sums["somebody"].found
            note = f"{late} events later than 1 s, {missed} missed"
            found.append(
                Figure(f"without: {name}", _recorded(sums["nobody"]), "% recorded", note=note)
            )
    for clip, ratio in costs.items():
        found.append(Figure(f"cost to MOG2's: {clip}", ratio, "ratio", 1 / 3))
    return found


def _recorded(score: Any) -> float:
    return float(100 * score.recorded_seconds / score.scored_seconds)


def _late(score: Any) -> int:
    return int(score.events - score.found_within_1s)
