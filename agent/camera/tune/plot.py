"""The plot of ``tune``: measured values and their thresholds over time.

Needs matplotlib (``clip-agent[tune]``); drawn without its global state.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from agent import config
from agent.camera.detection.verdict import Verdict
from agent.camera.tune.clips import Course

_MEASURED, _THRESHOLD, _CLIP = "#1f5f99", "#222222", "#e4572e"
_COLOURS = {
    Verdict.SETTLING: "#9e9e9e",
    Verdict.NOTHING: "#e8e8e8",
    Verdict.TOO_SMALL: "#bcd7f0",
    Verdict.BRIEF: "#7fb3e0",
    Verdict.STANDS: "#b79ad9",
    Verdict.LIGHT: "#ffe08a",
    Verdict.LIGHT_STEP: "#f2b705",
    Verdict.MOVES: _CLIP,
}
_ADVICE = (
    "If somebody was missed:  where the blue line stays below the dashed line in the upper plot, "
    "raise camera.motion.sensitivity; where it does so in the lower plot only, reduce min_size.\n"
    "If a clip shows nothing:  where the blue line is just above the dashed line in the upper "
    "plot, lower sensitivity; in the lower plot, raise min_size; or draw a camera.zones.exclude.\n"
    "Then run tune again and compare. tune.mp4 shows each of these moments."
)
logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it logs its fonts


def draw(course: Course, motion: config.Motion, name: str, path: Path) -> None:
    """Write the plot of ``course`` to ``path`` as PNG; only its owner may read it."""
    figure = Figure(figsize=(13, 8.6), dpi=110)
    upper, lower, band = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": (5, 5, 0.7), "hspace": 0.3}
    )
    figure.subplots_adjust(left=0.075, right=0.98, top=0.865, bottom=0.19)
    clips = len(course.spans)
    figure.suptitle(
        f"The detector's view of {name}: {clips} clip{'' if clips == 1 else 's'}"
        f" in {course.length_seconds:.0f} s",
        x=0.075,
        y=0.972,
        ha="left",
        fontsize=16,
        fontweight="bold",
        parse_math=False,
    )
    seconds = [moment.seconds for moment in course.moments]
    contrast = np.array([moment.contrast for moment in course.moments])
    size = np.array([float(moment.size) for moment in course.moments])
    upper.set_title(
        f"Change: how strongly at least {motion.min_size} blocks differ from the usual picture"
        f" (camera.motion.sensitivity {motion.sensitivity:g})",
        loc="left",
    )
    _draw_values(upper, seconds, contrast, threshold=1, least=0.1, most=(10, 4), unit="x")
    upper.set_ylabel("times the threshold")
    lower.set_title(
        "Size: blocks in the largest changed region that lasts"
        f" (camera.motion.min_size {motion.min_size})",
        loc="left",
    )
    _draw_values(lower, seconds, size, threshold=motion.min_size, least=0.6, most=(100, 1.6))
    lower.set_ylabel("blocks of 3600")
    for axes in (upper, lower):
        _shade(axes, course)
    _draw_verdicts(band, course)
    _name_starts(upper, course)
    figure.legend(
        handles=[
            Line2D([], [], color=_MEASURED, label="measured"),
            Line2D([], [], color=_THRESHOLD, linestyle="--", label="threshold"),
            Line2D([], [], color=_CLIP, marker="v", linestyle="", label="motion begins"),
            Patch(color=_CLIP, alpha=0.16, label="would be recorded"),
        ],
        loc="upper left",
        bbox_to_anchor=(0.066, 0.952),
        ncols=4,
        frameon=False,
    )
    figure.text(0.075, 0.02, _ADVICE, fontsize=9.8, va="bottom", linespacing=1.5)
    path.touch(0o600)
    path.chmod(0o600)
    figure.savefig(path, format="png")


def _draw_values(
    axes: Axes,
    seconds: Sequence[float],
    values: NDArray[np.float64],
    *,
    threshold: float,
    least: float,
    most: tuple[float, float],
    unit: str = "",
) -> None:
    """Draw ``values`` and their threshold. The scale begins at ``least`` and ends at ``most``,
    a least end and a factor for the largest value.
    """
    axes.plot(seconds, np.maximum(values, least), color=_MEASURED, linewidth=1.3)
    axes.axhline(threshold, color=_THRESHOLD, linestyle="--", linewidth=1.3)
    axes.set_yscale("log")
    axes.set_ylim(least, max(most[0], float(values.max(initial=0)) * most[1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{unit}"))


def _shade(axes: Axes, course: Course) -> None:
    for begin, end in course.spans:
        axes.axvspan(begin, end, color=_CLIP, alpha=0.13, linewidth=0)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, max(course.length_seconds, 1.0))


def _name_starts(axes: Axes, course: Course) -> None:
    """Mark the moments where motion begins, with their seconds where there is room."""
    starts = [
        now.seconds
        for now, before in zip(course.moments[1:], course.moments, strict=False)
        if now.moves and not before.moves
    ]
    top = axes.get_ylim()[1]
    axes.plot(starts, [top] * len(starts), "v", color=_CLIP, clip_on=False, markersize=7)
    room, named = max(course.length_seconds, 1.0) / 24, float("-inf")
    for start in starts:
        if start - named >= room:
            named = start
            axes.annotate(
                f"{start:.1f} s",
                (start, top),
                xytext=(0, -14),
                textcoords="offset points",
                ha="left" if start < room else "center" if start < 23 * room else "right",
                fontsize=9,
                color=_CLIP,
            )


def _draw_verdicts(axes: Axes, course: Course) -> None:
    """Draw a band in the colours of the verdicts, and their legend."""
    ends = [moment.seconds for moment in course.moments[1:]] + [course.length_seconds]
    for verdict, colour in _COLOURS.items():
        spans = [
            (moment.seconds, end - moment.seconds)
            for moment, end in zip(course.moments, ends, strict=True)
            if moment.verdict is verdict
        ]
        axes.broken_barh(spans, (0, 1), facecolors=colour, linewidth=0)
    axes.set_title("The detector's verdict on each frame", loc="left")
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    axes.spines[["top", "right", "left"]].set_visible(False)
    seen = {moment.verdict for moment in course.moments}
    axes.legend(
        handles=[
            Patch(color=colour, label=verdict.value)
            for verdict, colour in _COLOURS.items()
            if verdict in seen
        ],
        loc="upper left",
        bbox_to_anchor=(-0.008, -0.7),
        ncols=4,
        frameon=False,
        fontsize=9.5,
        columnspacing=1.4,
    )
