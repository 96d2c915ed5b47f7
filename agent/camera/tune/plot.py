"""The plot of ``tune``: what was measured against what is asked for, over time.

Needs matplotlib (``clip-agent[tune]``), drawn without its global state.
"""

from __future__ import annotations

import logging
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

_Values = NDArray[np.float64]

_MEASURED, _ASKED, _CLIP = "#1f5f99", "#222222", "#e4572e"
_LEAST_CONTRAST, _LEAST_SIZE = 0.1, 0.6
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
    "Somebody was missed:  if the blue line stayed below the dashed one in the upper plot, raise "
    "camera.motion.sensitivity; if only in the lower, reduce min_size.\n"
    "Recorded for nothing:  where the blue line was just above in the upper plot, lower "
    "sensitivity; in the lower, raise min_size; or draw a camera.zones.exclude.\n"
    "Then run tune again and compare. tune.mp4 shows each of these moments."
)
logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its fonts


def draw(course: Course, motion: config.Motion, name: str, path: Path) -> None:
    """Write the plot of ``course`` to ``path`` as PNG; only its owner may read it."""
    figure = Figure(figsize=(13, 8.6), dpi=110)
    upper, lower, band = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": (5, 5, 0.7), "hspace": 0.3}
    )
    figure.subplots_adjust(left=0.075, right=0.98, top=0.865, bottom=0.19)
    clips = len(course.spans)
    figure.suptitle(
        f"What the detector saw in {name}: {clips} clip{'' if clips == 1 else 's'}"
        f" in {course.length_seconds:.0f} s",
        x=0.075,
        y=0.972,
        ha="left",
        fontsize=16,
        fontweight="bold",
        parse_math=False,
    )
    seconds = np.array([moment.seconds for moment in course.moments])
    contrast = np.array([moment.contrast for moment in course.moments])
    size = np.array([float(moment.size) for moment in course.moments])
    _draw_contrast(upper, seconds, contrast, motion)
    _draw_size(lower, seconds, size, motion)
    for axes in (upper, lower):
        _shade(axes, course)
    _draw_verdicts(band, course)
    _name_starts(upper, course)
    figure.legend(
        handles=[
            Line2D([], [], color=_MEASURED, label="measured"),
            Line2D([], [], color=_ASKED, linestyle="--", label="asked for"),
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


def _draw_contrast(axes: Axes, seconds: _Values, contrast: _Values, motion: config.Motion) -> None:
    axes.set_title(
        f"Change: how strongly at least {motion.min_size} blocks differ from the usual picture"
        f" (camera.motion.sensitivity {motion.sensitivity:g})",
        loc="left",
    )
    axes.plot(seconds, np.maximum(contrast, _LEAST_CONTRAST), color=_MEASURED, linewidth=1.3)
    axes.axhline(1, color=_ASKED, linestyle="--", linewidth=1.3)
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_CONTRAST, max(10.0, float(contrast.max(initial=0)) * 4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.set_ylabel("times what is asked for")


def _draw_size(axes: Axes, seconds: _Values, size: _Values, motion: config.Motion) -> None:
    axes.set_title(
        "Size: blocks in the largest changed region that lasts"
        f" (camera.motion.min_size {motion.min_size})",
        loc="left",
    )
    axes.plot(seconds, np.maximum(size, _LEAST_SIZE), color=_MEASURED, linewidth=1.3)
    axes.axhline(motion.min_size, color=_ASKED, linestyle="--", linewidth=1.3)
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_SIZE, max(100.0, float(size.max(initial=0)) * 1.6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylabel("blocks of 3600")


def _shade(axes: Axes, course: Course) -> None:
    for begin, end in course.spans:
        axes.axvspan(begin, end, color=_CLIP, alpha=0.13, linewidth=0)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, max(course.length_seconds, 1.0))


def _name_starts(axes: Axes, course: Course) -> None:
    """A mark where something begins to move; named where there is room."""
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
    """A band in the colour of what the detector thought, and what the colours mean."""
    ends = [moment.seconds for moment in course.moments[1:]] + [course.length_seconds]
    for verdict, colour in _COLOURS.items():
        spans = [
            (moment.seconds, end - moment.seconds)
            for moment, end in zip(course.moments, ends, strict=True)
            if moment.verdict is verdict
        ]
        axes.broken_barh(spans, (0, 1), facecolors=colour, linewidth=0)
    axes.set_title("What the detector thinks of each frame", loc="left")
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
