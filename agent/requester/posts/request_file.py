"""From a readable file to a signed request.

The file is YAML; :func:`example` is one. A request that every owner's default policy
would refuse is refused here, before anything is signed, by the key to change: the rules
are those of :mod:`agent.consent.policy.requests`, so that both sides read them alike. What only a
camera knows (its place, its history, its owner's wishes) is judged there.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal

from geographiclib.geodesic import Geodesic
from msgspec import Meta, Struct

from agent import config
from agent.config import SQUARE_METRES_PER_SQUARE_MILE, Place
from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.policy import requests as policy
from agent.consent.policy.requests import History
from agent.consent.statements import (
    Latitude,
    LegalOrder,
    Line,
    Longitude,
    Name,
    Polygon,
    Position,
    Request,
    Text,
    UploadTarget,
    Url,
    Window,
)
from agent.errors import ConfigError, MalformedStatement, RequestRefused
from agent.keyfile import Keys

_DAY_SECONDS = 86_400
_OLDEST_CLIP_SECONDS = 3_650 * _DAY_SECONDS  # the longest that an owner can keep clips
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
    """Common to all parts of the file: no unknown keys."""


class Times(Section, frozen=True, rename={"start": "from", "end": "to"}):
    """The time asked about, RFC 3339 with a zone."""

    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]


class Around(Section, frozen=True):
    """An area given by its middle and its size."""

    latitude: Latitude
    longitude: Longitude
    square_miles: Annotated[float, Meta(gt=0, le=100)]


class Local(Section, frozen=True):
    """What a file for a post about some area has, whatever the post."""

    area: Polygon | None = None
    around: Around | None = None
    open_days: Annotated[float, Meta(gt=0, le=90)] = 7.0

    def __post_init__(self) -> None:
        if (self.area is None) == (self.around is None):
            raise ValueError("give one of the keys `area` and `around`")

    @property
    def polygon(self) -> Polygon:
        """The area as GeoJSON."""
        if self.area is not None:
            return self.area
        assert self.around is not None
        return ring_around(self.around)


class Posting(Local, frozen=True, kw_only=True):
    """The file as it is written."""

    title: Name
    text: Text
    incident: Name
    reference: Name
    contact: Line
    window: Times
    upload: Url
    kind: Literal["voluntary", "legal-order"] = "voluntary"
    order: LegalOrder | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.kind == "legal-order") != (self.order is not None):
            raise ValueError("the key `order` belongs to `kind: legal-order`, and only there")
        if self.window.start >= self.window.end:
            raise ValueError("the window must end after it begins")


_EXAMPLE = """\
# A request. Anybody can read all of it: name no victims, no witnesses, no house.
# clip-agent requester post FILE signs and posts it.

title: Bicycle theft on Elm Street
text: |
  A red bicycle was taken from the rack at the library.
  Did your camera see who rode it away?
incident: theft              # one word or two
reference: 2024-001234       # your own number; two posts under one at most
contact: Det. A. Example, 413 555 0100

# The time you ask about: 15 minutes to 12 hours, begun already.
window: {{from: {start}, to: {end}}}

# Where: 0.025 to 0.5 square miles. Or `area:`, a GeoJSON Polygon (RFC 7946).
around: {{latitude: 42.1015, longitude: -72.5898, square_miles: 0.25}}

# Where bundles are to be uploaded (tus): on a host that your card names.
upload: https://evidence.example.org/files/

# How long owners may answer, 7 at most.
open_days: 5

# For a court's order, also this; `sha256sum FILE` prints the digest of the document.
#kind: legal-order
#order:
#  court: District Court of Hampden County
#  docket: 24-CV-1234
#  document_sha256: "{digest}"
"""


def example(now: datetime) -> str:
    """A file to begin with; it asks about the evening before ``now``, which has a zone."""
    evening = (now - timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0)
    return _EXAMPLE.format(
        start=evening.isoformat(),
        end=(evening + timedelta(hours=2)).isoformat(),
        digest="0" * 64,
    )


def parse(text: str, name: str) -> Posting:
    """The posting in YAML ``text``; ConfigError names the file ``name`` and the key."""
    return config.parse_yaml(text, Posting, name)


def sign(
    posting: Posting,
    keys: Keys,
    card: RequesterCard,
    *,
    name: str,
    now: float,
    allow_loopback_http: bool = False,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """The signed request. ConfigError names the file ``name`` and the key to change."""
    if card.fingerprint != keys.fingerprint:
        raise ConfigError("the card is not that of these keys", advice="Make it anew")
    request = _request(posting, keys, now=now, random=random)
    longitude, latitude = posting.polygon.coordinates[0][0]  # its edge belongs to an area
    try:
        policy.judge(
            request,
            rules=config.Requests(),
            place=Place(latitude=latitude, longitude=longitude),
            requester=card,
            history=History(open=0, last_day=0, same_reference=0, jti_used=False),
            now=now,
            max_clip_age_seconds=_OLDEST_CLIP_SECONDS,
            allow_loopback_http=allow_loopback_http,
        )
        return keys.signing.sign(request)
    except RequestRefused as error:
        key = key_of(error.rule, around=posting.around is not None)
        raise ConfigError(f"{name}: {key}: {error.message} ({error.rule})") from error
    except MalformedStatement as error:
        raise ConfigError(f"{name}: {error.message} ({error.rule})") from error


def key_of(rule: str, *, around: bool) -> str:
    """Which key of the file to change when ``rule`` refuses what it says."""
    key = _KEY_OF_RULE.get(rule, "top level")
    return "around" if key == "area" and around else key


def _request(
    posting: Posting, keys: Keys, *, now: float, random: Callable[[int], bytes]
) -> Request:
    return Request(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(now + posting.open_days * _DAY_SECONDS),
        kind=posting.kind,
        reference=posting.reference,
        incident=posting.incident,
        title=posting.title,
        text=posting.text,
        contact=posting.contact,
        area=posting.polygon,
        window=Window(
            start=int(posting.window.start.timestamp()),
            end=math.ceil(posting.window.end.timestamp()),
        ),
        upload=UploadTarget(protocol="tus", url=posting.upload),
        order=posting.order,
    )


def ring_around(around: Around) -> Polygon:
    """A regular ring of the given geodesic size (to a thousandth) around a point.

    At the smallest and largest size that the default policy allows, rounding must
    not push it over the edge: there it is a thousandth inside.
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
