"""The shared part of request and alert files: their area, how long they are open, signing.

A post that every owner's default policy would refuse is refused before it is signed, by the key
to change. The rules are those of :mod:`agent.consent.policy`, so both sides read them alike;
rules about a camera's place, history and owner are left to the camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Self

from geographiclib.geodesic import Geodesic
from msgspec import Meta, Struct

from agent import config
from agent.config import SQUARE_METRES_PER_SQUARE_MILE, Place
from agent.consent.statements import Latitude, Longitude, Polygon, Position, Statement
from agent.errors import ConfigError, MalformedStatement, RequestRefused
from agent.keyfile import Keys

DAY_SECONDS = 86_400
_CORNERS = 24  # of the ring drawn around a point
_DEGREE_DIGITS = 6  # about a decimetre

_KEY_OF_RULE = {
    "kind-not-accepted": "kind",
    "incident-never": "incident",
    "reference-missing": "reference",
    "incident-missing": "incident",
    "contact-missing": "contact",
    "expired": "open_days",
    "open-too-long": "open_days",
    "window-too-short": "window",
    "window-too-long": "window",
    "window-in-future": "window",
    "window-too-old": "window",
    "area-invalid": "area",
    "area-too-small": "area",
    "area-too-large": "area",
    "upload-not-allowed": "upload",
    "order-incomplete": "order",
}


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Common to all parts of a file: no unknown keys."""


class Around(Section, frozen=True):
    """An area given by its middle and its size."""

    latitude: Latitude
    longitude: Longitude
    square_miles: Annotated[float, Meta(gt=0, le=100)]


class AreaFile(Section, frozen=True):
    """A file for a post about an area."""

    area: Polygon | None = None
    around: Around | None = None
    open_days: Annotated[float, Meta(gt=0, le=90)] = 7.0

    def __post_init__(self) -> None:
        if (self.area is None) == (self.around is None):
            raise ValueError("give one of the keys `area` and `around`")

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """The file in YAML ``text``; ConfigError names the file ``name`` and the key."""
        return config.parse_yaml(text, cls, name)

    @property
    def polygon(self) -> Polygon:
        """The area as GeoJSON."""
        if self.area is not None:
            return self.area
        assert self.around is not None
        return ring_around(self.around)

    @property
    def place(self) -> Place:
        """A corner of the area, which belongs to it."""
        longitude, latitude = self.polygon.coordinates[0][0]
        return Place(latitude=latitude, longitude=longitude)

    def sign_admitted(
        self, statement: Statement, keys: Keys, judge: Callable[[], None], *, name: str
    ) -> str:
        """``statement`` signed, once ``judge`` admits it; ConfigError names the key to change."""
        try:
            judge()
            return keys.signing.sign(statement)
        except RequestRefused as error:
            key = _KEY_OF_RULE.get(error.rule, "top level")
            key = "around" if key == "area" and self.around is not None else key
            raise ConfigError(f"{name}: {key}: {error.message} ({error.rule})") from error
        except MalformedStatement as error:
            raise ConfigError(f"{name}: {error.message} ({error.rule})") from error


def ring_around(around: Around) -> Polygon:
    """A regular ring around a point, of the given geodesic size to a thousandth.

    At the smallest and the largest size of the default policy it is a thousandth inside, so
    that rounding does not push it over the limit.
    """
    limits = config.Requests()
    square_miles = around.square_miles
    if square_miles == limits.min_area_square_miles:
        square_miles *= 1.001
    elif square_miles == limits.max_area_square_miles:
        square_miles *= 0.999
    # The area of a regular n-gon with the radius r is n/2 r^2 sin(2 pi / n).
    share = _CORNERS / 2 * math.sin(2 * math.pi / _CORNERS)
    radius_metres = math.sqrt(square_miles * SQUARE_METRES_PER_SQUARE_MILE / share)
    corners = [_corner(around, radius_metres, -360 / _CORNERS * n) for n in range(_CORNERS)]
    return Polygon(type="Polygon", coordinates=((*corners, corners[0]),))


def _corner(around: Around, metres: float, azimuth: float) -> Position:
    """Counterclockwise for falling azimuths, as RFC 7946, section 3.1.6 wants an outer ring."""
    point = Geodesic.WGS84.Direct(around.latitude, around.longitude, azimuth, metres)
    return round(point["lon2"], _DEGREE_DIGITS), round(point["lat2"], _DEGREE_DIGITS)
