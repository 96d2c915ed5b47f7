"""A drawn street: houses, a pavement, people who walk by, and a light that changes.

A function of seed and time alone: the same seed draws the same second again, in any
order. There is no noise in it and no camera; :mod:`agent.camera.sources.scene.source` adds
both. Lengths are shares of the picture's height or width, colours BGR.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # [height, width, 3], BGR
Colour = tuple[int, int, int]

_SHIFT = 4  # sub-pixel bits of OpenCV's drawing: smooth motion at any size
_HORIZON, _PAVEMENT, _KERB = 0.62, 0.66, 0.80
_EMPTY_AT_FIRST_SECONDS = 5.0  # a detector may learn the street

_SKY_TOP, _SKY_LOW = (205, 160, 105), (238, 222, 200)
_WALLS: tuple[Colour, ...] = (
    (118, 150, 190), (150, 170, 176), (110, 120, 165), (172, 182, 186), (128, 160, 150),
)  # fmt: skip
_ROOFS: tuple[Colour, ...] = ((62, 66, 110), (80, 78, 82), (58, 84, 104))
_DOORS: tuple[Colour, ...] = ((70, 90, 60), (60, 60, 150), (120, 70, 50), (50, 80, 110))
_COATS: tuple[Colour, ...] = (
    (60, 50, 170), (150, 80, 40), (60, 120, 60), (40, 150, 200), (110, 60, 120), (55, 55, 60),
)  # fmt: skip
_SKINS: tuple[Colour, ...] = ((150, 185, 225), (110, 150, 205), (70, 100, 150), (50, 72, 110))
_HAIRS: tuple[Colour, ...] = ((30, 35, 45), (40, 70, 110), (90, 150, 190), (140, 140, 145))


@dataclass(frozen=True)
class Walker:
    """Somebody who crosses the picture once."""

    starts: float  # seconds
    crossing: float  # seconds from edge to edge
    rightwards: bool
    depth: float  # 0: at the houses, 1: at the kerb
    coat: Colour
    skin: Colour
    hair: Colour
    stride: float  # steps a second


class Street:
    """The street of ``seed`` at ``width`` x ``height`` pixels."""

    def __init__(self, *, width: int, height: int, seed: int, walkers_per_minute: float) -> None:
        self._seed = seed
        self._slot_seconds = 60 / walkers_per_minute if walkers_per_minute else math.inf
        self._empty = _Canvas(np.zeros((height, width, 3), np.uint8))
        _draw_houses(self._empty, np.random.default_rng([seed, 1]))

    def picture(self, seconds: float) -> Picture:
        """The street at ``seconds``, a new array."""
        canvas = _Canvas(self._empty.picture.copy())
        for walker in sorted(self.walkers(seconds), key=lambda walker: walker.depth):
            _draw_walker(canvas, walker, seconds - walker.starts)
        gain = self.light(seconds)
        return cv2.convertScaleAbs(canvas.picture, alpha=gain)  # type: ignore[return-value]

    def walkers(self, seconds: float) -> Iterator[Walker]:
        """The walkers in the picture at ``seconds``: at most one a slot of time."""
        if math.isinf(self._slot_seconds):
            return
        slot = int(max(seconds - _EMPTY_AT_FIRST_SECONDS, 0) // self._slot_seconds)
        for number in range(max(slot - 3, 0), slot + 1):
            walker = self._walker(number)
            if 0 <= seconds - walker.starts <= walker.crossing:
                yield walker

    def light(self, seconds: float) -> float:
        """The brightness: slow clouds, and every 47 s a step as by an automatic exposure."""
        slow = 1 + 0.07 * math.sin(2 * math.pi * seconds / 61 + self._seed)
        step = int(seconds // 47) % 2
        return slow * (0.86 if step else 1.0)

    def _walker(self, number: int) -> Walker:
        random = np.random.default_rng([self._seed, 2, number])

        def pick(colours: tuple[Colour, ...]) -> Colour:
            return colours[int(random.integers(len(colours)))]

        wait = float(random.uniform(0, 0.4)) * min(self._slot_seconds, 20)
        return Walker(
            starts=_EMPTY_AT_FIRST_SECONDS + number * self._slot_seconds + wait,
            crossing=float(random.uniform(4.5, 6.5)),
            rightwards=bool(random.integers(2)),
            depth=float(random.uniform(0.15, 0.9)),
            coat=pick(_COATS),
            skin=pick(_SKINS),
            hair=pick(_HAIRS),
            stride=float(random.uniform(1.6, 2.1)),
        )


class _Canvas:
    """Drawing in shares of the picture, anti-aliased."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.height, self.width = picture.shape[:2]
        self.aspect = self.width / self.height

    def _fixed(self, x: float, y: float) -> tuple[int, int]:
        """``x`` and ``y`` in heights, as fixed-point pixels."""
        scale = self.height * (1 << _SHIFT)
        return round(x * scale), round(y * scale)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        corners: Any = np.array([self._fixed(x, y) for x, y in points], np.int32)
        cv2.fillPoly(self.picture, [corners], colour, cv2.LINE_AA, _SHIFT)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        centre, axes = self._fixed(x, y), self._fixed(rx, ry)
        cv2.ellipse(self.picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)

    def limb(
        self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour
    ) -> None:
        """A thick line with round ends."""
        length = math.hypot(end[0] - start[0], end[1] - start[1]) or 1.0
        across = (end[1] - start[1]) / length * width / 2, (start[0] - end[0]) / length * width / 2
        corners = [
            (start[0] + across[0], start[1] + across[1]),
            (end[0] + across[0], end[1] + across[1]),
            (end[0] - across[0], end[1] - across[1]),
            (start[0] - across[0], start[1] - across[1]),
        ]
        self.polygon(corners, colour)
        for x, y in (start, end):
            self.disc(x, y, width / 2, width / 2, colour)

    def fade(self, top: float, low: float, above: Colour, below: Colour) -> None:
        """A vertical gradient over the whole width."""
        first, last = round(top * self.height), round(low * self.height)
        share = np.linspace(0, 1, max(last - first, 1))[:, np.newaxis]
        rows = np.array(above) * (1 - share) + np.array(below) * share
        self.picture[first:last] = rows[:, np.newaxis, :].astype(np.uint8)


def _shaded(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, round(part * factor)) for part in colour)
    return blue, green, red


def _draw_houses(canvas: _Canvas, random: np.random.Generator) -> None:
    """Draw everything that never moves, from the sky down to the road."""
    canvas.fade(0, _HORIZON, _SKY_TOP, _SKY_LOW)
    for _ in range(5):
        _draw_cloud(canvas, random)
    canvas.fade(_HORIZON - 0.06, _PAVEMENT, (88, 128, 96), (84, 140, 108))  # gardens
    x = -0.05
    while x < canvas.aspect:
        width = float(random.uniform(0.34, 0.46))
        _draw_house(canvas, random, x, width)
        x += width + float(random.uniform(0.05, 0.16))
        _draw_tree(canvas, x - 0.05, _PAVEMENT, float(random.uniform(0.16, 0.24)))
    canvas.fade(_PAVEMENT, _KERB, (168, 172, 174), (184, 188, 190))
    for share in np.arange(0, canvas.aspect, 0.16):  # joints of the slabs, in perspective
        middle = canvas.aspect / 2
        far, near = middle + (share - middle) * 0.92, middle + (share - middle) * 1.12
        canvas.limb((far, _PAVEMENT), (near, _KERB), 0.003, (150, 154, 156))
    canvas.box(0, _KERB, canvas.aspect, 0.016, (198, 202, 204))
    canvas.fade(_KERB + 0.016, 1, (84, 82, 80), (66, 64, 63))
    for share in np.arange(0.05, canvas.aspect, 0.34):
        canvas.box(share, 0.91, 0.17, 0.011, (200, 210, 214))
    _draw_lamp(canvas, canvas.aspect * 0.72)
    grain = random.normal(0, 4, (canvas.height, canvas.width, 1))  # walls and asphalt are rough
    canvas.picture[:] = np.clip(canvas.picture + grain, 0, 255).astype(np.uint8)


def _draw_cloud(canvas: _Canvas, random: np.random.Generator) -> None:
    x, y = float(random.uniform(0, canvas.aspect)), float(random.uniform(0.03, 0.22))
    for _ in range(5):
        dx, dy = random.normal(0, 0.05), random.normal(0, 0.010)
        canvas.disc(x + dx, y + dy, 0.06, 0.018, (244, 236, 226))


def _draw_house(canvas: _Canvas, random: np.random.Generator, x: float, width: float) -> None:
    wall = _WALLS[int(random.integers(len(_WALLS)))]
    roof = _ROOFS[int(random.integers(len(_ROOFS)))]
    top, ground = float(random.uniform(0.26, 0.33)), _PAVEMENT - 0.015
    canvas.box(x, top, width, ground - top, wall)
    canvas.box(x, ground - 0.03, width, 0.03, _shaded(wall, 0.7))  # plinth
    canvas.box(x + width * 0.76, top - 0.16, 0.035, 0.12, _shaded(roof, 0.8))  # chimney
    ridge = top - float(random.uniform(0.12, 0.16))
    canvas.polygon(
        [(x - 0.025, top), (x + 0.07, ridge), (x + width - 0.07, ridge), (x + width + 0.025, top)],
        roof,
    )
    canvas.box(x - 0.025, top, width + 0.05, 0.012, _shaded(roof, 0.65))  # gutter
    door = int(random.integers(3))
    for column in range(3):
        left = x + width * (0.08 + 0.31 * column)
        _draw_window(canvas, left, top + 0.05, width * 0.2, wall)
        if column == door:
            colour = _DOORS[int(random.integers(len(_DOORS)))]
            canvas.box(left - 0.006, ground - 0.175, width * 0.2 + 0.012, 0.175, (210, 216, 218))
            canvas.box(left, ground - 0.168, width * 0.2, 0.168, colour)
            canvas.disc(left + width * 0.17, ground - 0.08, 0.005, 0.005, (90, 190, 215))
        else:
            _draw_window(canvas, left, ground - 0.165, width * 0.2, wall)


def _draw_window(canvas: _Canvas, x: float, y: float, width: float, wall: Colour) -> None:
    height = width * 1.15
    canvas.box(x - 0.008, y - 0.008, width + 0.016, height + 0.016, (222, 226, 228))
    canvas.box(x, y, width, height, (120, 98, 78))
    canvas.polygon([(x, y), (x + width * 0.7, y), (x, y + height * 0.8)], (150, 128, 104))
    canvas.box(x + width / 2 - 0.003, y, 0.006, height, (222, 226, 228))
    canvas.box(x, y + height * 0.45, width, 0.006, (222, 226, 228))
    canvas.box(x - 0.012, y + height + 0.008, width + 0.024, 0.01, _shaded(wall, 0.8))


def _draw_tree(canvas: _Canvas, x: float, ground: float, size: float) -> None:
    canvas.limb((x, ground - 0.01), (x, ground - size), 0.016, (48, 66, 84))
    for dx, dy, radius, shade in (
        (-0.22, -1.0, 0.30, 0.8), (0.24, -1.05, 0.30, 0.9), (0.0, -1.35, 0.36, 1.0),
        (0.08, -1.45, 0.20, 1.15),
    ):  # fmt: skip
        colour = _shaded((58, 122, 78), shade)
        canvas.disc(x + dx * size, ground + dy * size, radius * size, radius * size, colour)


def _draw_lamp(canvas: _Canvas, x: float) -> None:
    canvas.limb((x, _KERB), (x, 0.24), 0.011, (60, 64, 62))
    canvas.limb((x, 0.24), (x - 0.08, 0.225), 0.009, (60, 64, 62))
    canvas.disc(x - 0.09, 0.23, 0.028, 0.012, (205, 225, 232))


def _draw_walker(canvas: _Canvas, walker: Walker, since: float) -> None:
    """Draw a person of two legs, two arms, a coat and a head on the pavement."""
    tall = 0.24 + 0.20 * walker.depth
    ground = _PAVEMENT + 0.02 + (_KERB - _PAVEMENT - 0.02) * walker.depth
    share = since / walker.crossing
    reach = canvas.aspect + tall
    x = (share if walker.rightwards else 1 - share) * reach - tall / 2
    ahead = 1.0 if walker.rightwards else -1.0
    swing = math.sin(math.pi * walker.stride * since)
    bob = 0.012 * tall * abs(swing)
    hip, neck = ground - 0.47 * tall - bob, ground - 0.82 * tall - bob
    dark = _shaded(walker.coat, 0.55)

    canvas.disc(x, ground, 0.16 * tall, 0.028 * tall, (122, 126, 128))  # shadow
    for side, shade in ((-swing, 0.7), (swing, 1.0)):
        foot = x + ahead * side * 0.17 * tall
        knee = x + ahead * (side * 0.09 + 0.03) * tall, ground - 0.24 * tall
        canvas.limb((x, hip), knee, 0.085 * tall, _shaded((92, 74, 62), shade))
        canvas.limb(knee, (foot, ground - 0.02 * tall), 0.07 * tall, _shaded((92, 74, 62), shade))
        toe = foot + ahead * 0.05 * tall
        canvas.limb((foot, ground - 0.015 * tall), (toe, ground - 0.01 * tall), 0.045 * tall, dark)
    hand = x - ahead * swing * 0.15 * tall
    canvas.limb((x, neck + 0.05 * tall), (hand, hip + 0.02 * tall), 0.055 * tall, dark)
    canvas.limb((x, neck + 0.07 * tall), (x, hip + 0.02 * tall), 0.17 * tall, walker.coat)
    other = x + ahead * swing * 0.15 * tall
    canvas.limb(
        (x, neck + 0.06 * tall), (other, hip + 0.02 * tall), 0.05 * tall, _shaded(walker.coat, 1.2)
    )
    canvas.disc(other, hip + 0.03 * tall, 0.026 * tall, 0.026 * tall, walker.skin)
    head = neck - 0.075 * tall
    canvas.disc(x, head, 0.066 * tall, 0.08 * tall, walker.skin)
    canvas.disc(
        x - ahead * 0.016 * tall, head - 0.026 * tall, 0.066 * tall, 0.06 * tall, walker.hair
    )
