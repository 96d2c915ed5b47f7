"""A sketch map of a request's area, drawn from its corners alone: no map, no other host is asked.

Distances are those on a sphere (:data:`_EARTH_METRES`), flattened around the middle of the area:
over a degree, the most that an area may span, the drawing is right to a hundredth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from agent.consent.policy import area
from agent.consent.statements import Polygon
from agent.owner.wording.words import _

_EARTH_METRES = 6_371_009.0  # mean radius, IUGG
_WIDTH, _HEIGHT, _MARGIN = 320.0, 240.0, 28.0  # of the drawing, in its own units
_LABEL_UNITS = 24.0  # cameras that are closer share a label
_FEET = 3.28084  # in a metre
_FARTHEST = 3.0  # times the area's extent: a place that is farther off is told, not drawn

LatLon = tuple[float, float]


@dataclass(frozen=True)
class Spot:
    """A camera on the drawing, and its place in words (``said``). Not ``drawn``: too far off.

    ``label`` has the names of all cameras that are drawn at about this place; of the others empty.
    """

    name: str
    x: float
    y: float
    said: str
    drawn: bool
    label: str = ""


@dataclass(frozen=True)
class Sketch:
    """A drawing of ``width`` by ``height``. ``outline``: points of an SVG polygon.

    ``bar``: length of the scale bar, ``bar_text`` what it stands for. ``said``: the area in words.
    """

    width: float
    height: float
    outline: str
    bar: float
    bar_text: str
    spots: tuple[Spot, ...]
    said: str


def draw(polygon: Polygon, places: Mapping[str, LatLon]) -> Sketch | None:
    """The sketch of an area and of the cameras' places; None for an area that is none."""
    if area.survey(polygon).problem:
        return None
    ring = polygon.coordinates[0]
    longitudes, latitudes = [one[0] for one in ring], [one[1] for one in ring]
    middle = (
        (min(latitudes) + max(latitudes)) / 2,
        (min(longitudes) + max(longitudes)) / 2,
    )
    corners = [_metres(middle, latitude, longitude) for longitude, latitude in ring]
    wide = max(x for x, _y in corners) - min(x for x, _y in corners)
    high = max(y for _x, y in corners) - min(y for _x, y in corners)
    at = {name: _metres(middle, *place) for name, place in places.items()}
    extent = max(wide, high)
    near = {name: one for name, one in at.items() if math.hypot(*one) <= _FARTHEST * extent}
    scale, to_page = _fit([*corners, *near.values()])
    spots = tuple(
        Spot(
            name,
            *(to_page(*near[name]) if name in near else (0.0, 0.0)),
            said=_place(name, polygon, place, at[name]),
            drawn=name in near,
        )
        for name, place in places.items()
    )
    metres = _round(_WIDTH / 4 / scale)
    size = _("The area is {wide} from west to east and {high} from south to north.")
    return Sketch(
        width=_WIDTH,
        height=_HEIGHT,
        outline=" ".join("{:.1f},{:.1f}".format(*to_page(*corner)) for corner in corners),
        bar=metres * scale,
        bar_text=_length(metres),
        spots=tuple(_labelled(spots)),
        said=size.format(wide=_length(wide), high=_length(high)),
    )


def _labelled(spots: tuple[Spot, ...]) -> Iterator[Spot]:
    """The spots with labels that do not overlap."""
    left = [spot for spot in spots if spot.drawn]
    for spot in spots:
        near = [one for one in left if spot.drawn and _distance(spot, one) < _LABEL_UNITS]
        left = [one for one in left if one not in near]
        yield replace(spot, label=", ".join(one.name for one in near))


def _distance(one: Spot, other: Spot) -> float:
    return math.hypot(one.x - other.x, one.y - other.y)


def _metres(middle: LatLon, latitude: float, longitude: float) -> tuple[float, float]:
    """Metres east and north of the middle."""
    east = math.radians(longitude - middle[1]) * math.cos(math.radians(middle[0]))
    return east * _EARTH_METRES, math.radians(latitude - middle[0]) * _EARTH_METRES


def _fit(points: list[tuple[float, float]]) -> tuple[float, _ToPage]:
    """Units a metre, and the way from metres to the drawing, which holds all ``points``."""
    xs, ys = [x for x, _y in points], [y for _x, y in points]
    across, up = max(max(xs) - min(xs), 1e-6), max(max(ys) - min(ys), 1e-6)
    scale = min((_WIDTH - 2 * _MARGIN) / across, (_HEIGHT - 2 * _MARGIN) / up)
    centre = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return scale, _ToPage(scale, *centre)


@dataclass(frozen=True)
class _ToPage:
    scale: float
    x: float
    y: float

    def __call__(self, east: float, north: float) -> tuple[float, float]:
        return _WIDTH / 2 + (east - self.x) * self.scale, _HEIGHT / 2 - (
            north - self.y
        ) * self.scale


def _place(name: str, polygon: Polygon, place: LatLon, at: tuple[float, float]) -> str:
    """A camera's place in words: in the area, or how far off its middle and where."""
    if area.contains(polygon, *place):
        return _("{camera} is in the area.").format(camera=name)
    angle = math.degrees(math.atan2(at[0], at[1])) % 360
    directions = (
        *(_("north"), _("north-east"), _("east"), _("south-east")),
        *(_("south"), _("south-west"), _("west"), _("north-west")),
    )
    said = _("{camera} is outside, {distance} {direction} of its middle.")
    return said.format(
        camera=name,
        distance=_length(math.hypot(*at)),
        direction=directions[round(angle / 45) % 8],
    )


def _round(metres: float) -> float:
    """The largest of 1, 2, 5, 10, 20 ... that is not more."""
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1, 2, 5) if step * power <= metres * 1.000001)


def _length(metres: float) -> str:
    if metres >= 999.5:
        return f"{metres / 1_000:.3g} km ({metres / 1_609.344:.2g} mi)"
    if metres >= 1:
        return f"{metres:.0f} m ({metres * _FEET:.0f} ft)"
    return f"{metres * 100:.2g} cm"
