"""The film of ``tune``: each frame with the detector's view of it, as MP4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from agent import config
from agent.camera.detection.verdict import Verdict, View
from agent.camera.recording.thumbnail import picture
from agent.camera.source import Frame
from agent.camera.zones import GRID_HEIGHT, GRID_WIDTH, motion_mask

Picture = NDArray[np.uint8]  # [height, width, 3]: blue, green, red
Colour = tuple[int, int, int]

_BLOCK = 12  # pixels to a block's side
WIDTH, PICTURE_HEIGHT, PANEL_HEIGHT = GRID_WIDTH * _BLOCK, GRID_HEIGHT * _BLOCK, 120

_WHITE, _GREY, _TROUGH, _DARK = (245, 245, 245), (170, 170, 170), (70, 66, 62), (40, 36, 32)
_INK = (0, 0, 0)
_ORANGE, _GREEN, _RED, _BLUE = (0, 150, 255), (90, 220, 90), (60, 60, 235), (235, 170, 60)
_TINT = 0.45

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# The bars: their place, and the value at the end of each.
_BAR_LEFT, _BAR_RIGHT = 130, 660
_MOST_CONTRAST, _MOST_SIZE = 32.0, 1000.0


class Painter:
    """Draws frames for one camera's zones and knobs."""

    def __init__(self, zones: config.Zones, *, min_size: int) -> None:
        self._zones = zones
        self._min_size = min_size
        counts = motion_mask(zones.include, zones.exclude, zones.privacy)
        self._counts = None if counts is None else _enlarged(counts)

    def paint(self, frame: Frame, seconds: float, view: View, *, recorded: bool) -> Picture:
        """The picture of ``seconds`` with the panel below it, [660, 960, 3]."""
        small = picture(frame)
        if small.ndim == 2:
            small = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
        canvas = np.full((PICTURE_HEIGHT + PANEL_HEIGHT, WIDTH, 3), _DARK, np.uint8)
        scene = canvas[:PICTURE_HEIGHT]
        cv2.resize(small, (WIDTH, PICTURE_HEIGHT), scene, 0, 0, cv2.INTER_CUBIC)
        self._mark_blocks(scene, view)
        self._outline_zones(scene)
        if view.region is not None:
            left, top, width, height = (value * _BLOCK for value in view.region)
            colour = _RED if view.moves else _WHITE
            cv2.rectangle(scene, (left, top), (left + width, top + height), colour, 2)
        self._panel(canvas[PICTURE_HEIGHT:], seconds, view)
        if recorded:
            cv2.rectangle(canvas, (1, 1), (WIDTH - 2, PICTURE_HEIGHT - 2), _RED, 4)
            cv2.circle(canvas, (WIDTH - 184, PICTURE_HEIGHT + 26), 9, _RED, -1, cv2.LINE_AA)
            _write(canvas, "would be recorded", (WIDTH - 168, PICTURE_HEIGHT + 32), 0.55)
        return canvas

    def _mark_blocks(self, scene: Picture, view: View) -> None:
        """Darken where motion does not count; tint the blocks that have changed."""
        changed = _enlarged(view.changed) > 0
        if self._counts is not None:
            ignored = self._counts == 0
            scene[ignored] = scene[ignored] // 2
            _tint(scene, changed & ignored, _GREY)
            changed &= ~ignored
        _tint(scene, changed, _ORANGE)

    def _outline_zones(self, scene: Picture) -> None:
        for name, colour, polygons in (
            ("include", _GREEN, self._zones.include),
            ("exclude", _BLUE, self._zones.exclude),
            ("privacy", _WHITE, self._zones.privacy),
        ):
            for number, polygon in enumerate(polygons, start=1):
                scaled = np.asarray(polygon, np.float64) * (WIDTH - 1, PICTURE_HEIGHT - 1)
                corners = np.rint(scaled).astype(np.int32)
                cv2.polylines(scene, [corners], True, colour, 2, cv2.LINE_AA)
                x, y = corners.mean(axis=0).astype(int).tolist()
                _write(scene, f"{name} {number}", (x - 36, y), 0.55, colour)

    def _panel(self, panel: Picture, seconds: float, view: View) -> None:
        _write(panel, f"{seconds:.1f} s", (16, 32), 0.7, _WHITE)
        colour = _RED if view.moves else _WHITE
        _write(panel, says(view), (_BAR_LEFT, 32), 0.7, colour)
        contrast = float(np.log2(max(view.contrast, 1 / 4) * 4) / np.log2(_MOST_CONTRAST * 4))
        threshold = float(np.log2(4) / np.log2(_MOST_CONTRAST * 4))
        _bar(panel, 56, "change", contrast, threshold)
        _write(panel, f"{view.contrast:.1f} x the threshold", (_BAR_RIGHT + 16, 70))
        size = float(np.log(view.size + 1) / np.log(_MOST_SIZE))
        smallest = float(np.log(self._min_size + 1) / np.log(_MOST_SIZE))
        _bar(panel, 88, "size", size, smallest)
        text = f"{view.size} blocks, at least {self._min_size}"
        _write(panel, text, (_BAR_RIGHT + 16, 102))


def says(view: View) -> str:
    """The verdict of the last frames in a few words."""
    if view.moves and view.verdict is not Verdict.MOVES:
        return "something moved a moment ago"
    if view.verdict is Verdict.MOVES and not view.moves:
        return "something moves: 1 of 3 frames, 2 are needed"
    return view.verdict.value


class Film:
    """An MP4 file of drawn frames; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        path.touch(0o600)
        path.chmod(0o600)
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream(
            "libx264", rate=15, options={"preset": "veryfast"}
        )
        self._stream.width, self._stream.height = WIDTH, PICTURE_HEIGHT + PANEL_HEIGHT
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, 1000)
        self._last = -1

    def add(self, canvas: Picture, seconds: float) -> None:
        """Show ``canvas`` from ``seconds`` on."""
        frame = av.VideoFrame.from_ndarray(canvas, format="bgr24")
        frame.pts = self._last = max(round(seconds * 1000), self._last + 1)
        frame.time_base = Fraction(1, 1000)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write the last pictures."""
        if self._last >= 0:
            self._container.mux(self._stream.encode(None))
        self._container.close()


def _enlarged(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grid mask at the size of the picture."""
    return np.repeat(np.repeat(mask, _BLOCK, axis=0), _BLOCK, axis=1)


def _tint(scene: Picture, where: NDArray[np.bool_], colour: Colour) -> None:
    mixed = scene[where] * (1 - _TINT) + np.array(colour) * _TINT
    scene[where] = mixed.astype(np.uint8)


def _bar(panel: Picture, top: int, name: str, value: float, mark: float) -> None:
    """Draw a bar as full as ``value`` (0..1), with a line at ``mark``; orange beyond that."""
    bottom = top + 18
    fill, line = (
        _BAR_LEFT + round(min(share, 1.0) * (_BAR_RIGHT - _BAR_LEFT)) for share in (value, mark)
    )
    _write(panel, name, (16, bottom - 3))
    cv2.rectangle(panel, (_BAR_LEFT, top), (_BAR_RIGHT, bottom), _TROUGH, -1)
    if value > 0:
        colour = _ORANGE if value >= mark else _GREY
        cv2.rectangle(panel, (_BAR_LEFT, top), (fill, bottom), colour, -1)
    cv2.line(panel, (line, top - 4), (line, bottom + 4), _WHITE, 2)


def _write(
    canvas: Picture, text: str, at: tuple[int, int], scale: float = 0.5, colour: Colour = _WHITE
) -> None:
    """Write ``text`` with a dark rim, so that it can be read on anything."""
    x, y = at
    for dx, dy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        cv2.putText(canvas, text, (x + dx, y + dy), _FONT, scale, _INK, 1, cv2.LINE_AA)
    cv2.putText(canvas, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)
